import type { DatabaseStatus, KafkaStatus, Status } from '../../compose/status.ts';

/** The status as a person reads it: one screen, nothing where nothing is to be said. */
export function statusScreen({ kafka, database }: Status, nowMs: number): string {
  const parts = [
    ...(kafka.kind === 'known' ? kafkaParts(kafka.value) : [`Kafka cannot be asked: ${kafka.why}`]),
    ...(database.kind === 'known'
      ? databaseParts(database.value, nowMs)
      : [`PostgreSQL cannot be asked: ${database.why}`]),
  ];
  return parts.join('\n\n');
}

function kafkaParts({ groups, tiers, missingTopics }: KafkaStatus): string[] {
  const missing =
    missingTopics.length === 0 ? [] : [`Topics missing (posthorn bootstrap): ${missingTopics.join(', ')}`];
  return [...missing, groupTable(groups), tierTable(tiers)];
}

function groupTable(groups: KafkaStatus['groups']): string {
  const rows = groups.flatMap(({ role, state, members, stages }) => {
    const behind = stages.filter(({ lag }) => lag > 0);
    const total = stages.reduce((sum, { lag }) => sum + lag, 0);
    const size = `${members} ${members === 1 ? 'member' : 'members'}`;
    return [
      [role, `${state.toLowerCase()}, ${size}`, stages.length === 0 ? '' : String(total), ''],
      ...behind.map(({ topic, lag, oldestWaitingMs }) => [
        `  ${topic}`,
        '',
        String(lag),
        oldestWaitingMs === null ? '' : `oldest waits ${span(oldestWaitingMs)}`,
      ]),
    ];
  });
  return table(['GROUP', 'STATE', 'LAG', ''], rows);
}

function tierTable(tiers: KafkaStatus['tiers']): string {
  const waiting = tiers.filter((tier) => tier.waiting > 0);
  if (waiting.length === 0) return 'No retries are waiting.';
  const rows = waiting.map(({ tier, waiting: count, nextDueMs }) => [tier, String(count), due(nextDueMs)]);
  return table(['RETRY TIER', 'WAITING', 'NEXT'], rows);
}

function databaseParts({ webhooks, troubled, deadLetters }: DatabaseStatus, nowMs: number): string[] {
  const counts = `Webhooks: ${webhooks.active} active, ${webhooks.disabled} disabled`;
  return [
    troubled.length === 0 ? `${counts}; none is in trouble.` : `${counts}\n\n${troubledTable(troubled, nowMs)}`,
    deadLetters.length === 0 ? 'No dead letters.' : deadLetterTable(deadLetters, nowMs),
  ];
}

function troubledTable(troubled: DatabaseStatus['troubled'], nowMs: number): string {
  const rows = troubled.map(({ id, tenantId, eventType, state, since, failedLastHour, parked }) => [
    id,
    tenantId,
    eventType,
    state.replace('_', ': '),
    ago(nowMs - Date.parse(since)),
    String(failedLastHour),
    String(parked),
  ]);
  return table(['IN TROUBLE', 'TENANT', 'EVENT TYPE', 'STATE', 'SINCE', 'FAILED IN 1 H', 'PARKED'], rows);
}

function deadLetterTable(deadLetters: DatabaseStatus['deadLetters'], nowMs: number): string {
  const rows = deadLetters.map(({ topic, reason, count, waiting, newestAt }) => [
    topic,
    reason,
    String(count),
    String(waiting),
    ago(nowMs - Date.parse(newestAt)),
  ]);
  return table(['DEAD LETTERS', 'REASON', 'ALL', 'NOT REDRIVEN', 'NEWEST'], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function ago(milliseconds: number): string {
  return `${span(milliseconds)} ago`;
}

function due(milliseconds: number | null): string {
  if (milliseconds === null) return '';
  return milliseconds > 0 ? `due in ${span(milliseconds)}` : 'due now';
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
] as const;

/** Two digits or so: more would claim to know more than we do. */
function span(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, length]) => milliseconds >= 2 * length) ?? (['s', 1_000] as const);
  return `${Math.round(milliseconds / size)} ${unit}`;
}
