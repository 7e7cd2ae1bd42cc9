import { parseArgs } from 'node:util';
import { readStatus, type Status } from '../compose/status.ts';
import { readConfig } from '../config.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';
import type { Command } from './command.ts';
import { statusScreen } from './status/screen.ts';

const USAGE = `posthorn status [--json]

How Posthorn does as a whole, in one screen: groups with their members, lag and oldest waiting record, retry tiers, webhooks in
trouble, dead letters by reason, topics that are missing. Uses POSTHORN_KAFKA_BROKERS and POSTHORN_DATABASE_URL; changes
nothing. Exit code 1 when something could not be asked or a topic is missing.

  --json   for programs; times in milliseconds
`;

/** `posthorn status`: what an operator looks at first. */
export const statusCommand: Command = {
  name: 'status',
  summary: 'show groups, lag, tiers, webhooks in trouble and dead letters',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({ args: [...args], options: { json: { type: 'boolean', default: false } } });
    const status = await readStatus(readConfig(), createSilentLogger());
    console.log(values.json ? JSON.stringify(toJson(status)) : statusScreen(status, Date.now()));
    return isWhole(status) ? 0 : 1;
  },
};

function isWhole({ kafka, database }: Status): boolean {
  return kafka.kind === 'known' && database.kind === 'known' && kafka.value.missingTopics.length === 0;
}

function toJson({ kafka, database }: Status) {
  return {
    kafka:
      kafka.kind === 'unknown'
        ? { error: kafka.why }
        : {
            groups: kafka.value.groups.map(({ role, groupId, state, members, stages }) => ({
              role,
              group_id: groupId,
              state,
              members,
              stages: stages.map(({ topic, lag, oldestWaitingMs }) => ({
                topic,
                lag,
                oldest_waiting_ms: rounded(oldestWaitingMs),
              })),
            })),
            retry_tiers: kafka.value.tiers.map(({ tier, waiting, nextDueMs }) => ({
              tier,
              waiting,
              next_due_ms: rounded(nextDueMs),
            })),
            missing_topics: kafka.value.missingTopics,
          },
    database: database.kind === 'unknown' ? { error: database.why } : databaseJson(database.value),
  };
}

function databaseJson({ webhooks, troubled, deadLetters }: Extract<Status['database'], { kind: 'known' }>['value']) {
  return {
    webhooks,
    webhooks_in_trouble: troubled.map(({ id, tenantId, eventType, state, since, failedLastHour, parked }) => ({
      id,
      tenant_id: tenantId,
      event_type: eventType,
      state,
      since,
      failed_last_hour: failedLastHour,
      parked,
    })),
    dead_letters: deadLetters.map(({ topic, reason, count, waiting, newestAt }) => ({
      topic,
      reason,
      count,
      waiting,
      newest_at: newestAt,
    })),
  };
}

function rounded(milliseconds: number | null): number | null {
  return milliseconds === null ? null : Math.round(milliseconds);
}
