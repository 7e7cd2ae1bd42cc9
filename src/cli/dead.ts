import { parseArgs } from 'node:util';
import { type Redriver, withRedriver } from '../compose/redrive.ts';
import { type Config, readConfig } from '../config.ts';
import { type DeadLetter, formatRecordId, parseRecordId, type RecordId } from '../domain/dead-letter.ts';
import { topicNames } from '../infrastructure/kafka/topics.ts';
import { type Database, openDatabase } from '../infrastructure/postgres/database.ts';
import { type DeadLetterFilter, listDeadLetters } from '../infrastructure/postgres/dead-letter-store.ts';
import { checkMigrations } from '../infrastructure/postgres/migrations.ts';
import { createLogger } from '../infrastructure/telemetry/logger.ts';
import type { Command } from './command.ts';

const USAGE = `posthorn dead list [--events] [--reason R] [--limit N] [--json]
posthorn dead redrive ID…
posthorn dead redrive --all [--events] [--reason R]

Dead letters: deliveries that were given up, and records that are no events. Uses POSTHORN_DATABASE_URL, and redrive
also POSTHORN_KAFKA_BROKERS and POSTHORN_SCHEMA_REGISTRY_URL.

  --events     those of events instead of those of deliveries
  --reason R   only those with this reason, e.g. attempts_exhausted
  --limit N    how many, newest first (50)
  --json       for programs
  --all        every one that was not sent again yet

redrive sends again: a delivery goes to its webhook as a new delivery from the first attempt on, an event goes to the
topic that it came from. Each dead letter is sent again once; its ID is topic/partition/offset, as list shows it.
`;

const OPTIONS = {
  events: { type: 'boolean', default: false },
  reason: { type: 'string' },
  limit: { type: 'string', default: '50' },
  json: { type: 'boolean', default: false },
  all: { type: 'boolean', default: false },
} as const;
const MAX_LIMIT = 10_000;

/** `posthorn dead`: look at dead letters and send them again. */
export const deadCommand: Command = {
  name: 'dead',
  summary: 'list dead letters and send them again',
  usage: USAGE,
  run: async (args) => {
    const request = readRequest(args);
    if (typeof request === 'string') {
      console.error(`${request}\n\n${USAGE}`);
      return 2;
    }
    const config = readConfig();
    const database = openDatabase({ url: config.databaseUrl, poolSize: 1, log: createLogger(config.logLevel) });
    try {
      return await runOn(database, config, request);
    } finally {
      await database.close();
    }
  },
};

interface Selection {
  readonly events: boolean;
  readonly reason: string | null;
}

type Request =
  | ({ readonly action: 'list'; readonly limit: number; readonly json: boolean } & Selection)
  | ({ readonly action: 'redrive all' } & Selection)
  | { readonly action: 'redrive'; readonly ids: readonly RecordId[] };

/** What is asked for, or what is wrong with it. */
function readRequest(args: readonly string[]): Request | string {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  const [action, ...names] = positionals;
  const selection = { events: values.events, reason: values.reason ?? null };
  if (action === 'list') {
    const limit = Number(values.limit);
    if (names.length > 0 || values.all) return 'list takes neither IDs nor --all';
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) return `--limit must be from 1 to ${MAX_LIMIT}`;
    return { action, limit, json: values.json, ...selection };
  }
  if (action !== 'redrive') return 'dead needs one of list, redrive';
  if (values.all)
    return names.length > 0 ? 'redrive takes IDs or --all, not both' : { action: 'redrive all', ...selection };
  if (names.length === 0) return 'redrive needs the IDs of dead letters, or --all';
  if (selection.events || selection.reason !== null) return '--events and --reason belong to list and redrive --all';
  const wrong = names.find((name) => parseRecordId(name) === null);
  if (wrong !== undefined) return `"${wrong}" is not the ID of a dead letter: topic/partition/offset`;
  return { action, ids: names.map(parseRecordId).filter((id) => id !== null) };
}

async function runOn(database: Database, config: Config, request: Request): Promise<number> {
  if ((await checkMigrations(database)).length > 0) {
    console.error('The database is not up to date: run posthorn bootstrap first.');
    return 1;
  }
  switch (request.action) {
    case 'list':
      return list(
        await listDeadLetters(database, { ...filterOf(config, request), limit: request.limit }),
        request.json,
      );
    case 'redrive all':
      return withRedriver(config, database, onRefused, (redriver) => redriveAll(redriver, filterOf(config, request)));
    case 'redrive':
      return withRedriver(config, database, onRefused, (redriver) => redriveEach(redriver, request.ids));
  }
}

function filterOf({ kafka }: Config, { events, reason }: Selection): DeadLetterFilter {
  const { deadEvents, deadDeliveries } = topicNames(kafka.topicPrefix);
  return { topic: events ? deadEvents : deadDeliveries, reason };
}

function onRefused(letter: DeadLetter, reason: string): void {
  console.error(`not sent: ${formatRecordId(letter)}: ${reason}`);
}

async function redriveAll(redriver: Redriver, filter: DeadLetterFilter): Promise<number> {
  const { sent, refused } = await redriver.redriveAll(filter);
  console.log(`${sent} sent again${refused === 0 ? '' : `, ${refused} could not be`}`);
  return refused === 0 ? 0 : 1;
}

async function redriveEach(redriver: Redriver, ids: readonly RecordId[]): Promise<number> {
  let isComplete = true;
  for (const id of ids) {
    const result = await redriver.redriveOne(id);
    const name = formatRecordId(id);
    if (result.kind === 'sent') console.log(`sent again: ${name}`);
    if (result.kind === 'sent_before') console.log(`was sent again at ${result.at}: ${name}`);
    if (result.kind === 'unknown') console.error(`there is no dead letter ${name}`);
    isComplete &&= result.kind === 'sent' || result.kind === 'sent_before';
  }
  return isComplete ? 0 : 1;
}

/** Without the sentence that explains the reason, which would make the table too wide; --json has it. */
const TABLE_COLUMNS = [
  'id',
  'at',
  'reason',
  'tenant_id',
  'event_type',
  'event_id',
  'webhook_id',
  'source',
  'redriven_at',
];

function list(letters: readonly DeadLetter[], json: boolean): number {
  const rows = letters.map((letter) => ({
    id: formatRecordId(letter),
    at: new Date(letter.timestampMs).toISOString(),
    reason: letter.reason,
    error: letter.error,
    tenant_id: letter.tenantId,
    event_type: letter.eventType,
    event_id: letter.eventId,
    webhook_id: letter.webhookId,
    source: letter.source,
    redriven_at: letter.redrivenAt,
  }));
  if (json) console.log(JSON.stringify(rows));
  else if (rows.length === 0) console.log('There are no dead letters.');
  else console.table(rows, TABLE_COLUMNS);
  return 0;
}
