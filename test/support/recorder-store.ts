import { randomUUID } from 'node:crypto';
import type { LogBatch, LogPosition } from '../../src/domain/log-entries.ts';
import { openRecorderStore, type RecorderStore } from '../../src/infrastructure/postgres/recorder-store.ts';
import { createSilentLogger } from '../../src/infrastructure/telemetry/logger.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';

export interface TestStore extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly store: RecorderStore;
}

/** A database of its own with a recorder's store on it; 30 days are kept, counted from `now`. */
export async function createTestStore(now: () => number = Date.now): Promise<TestStore> {
  const database = await createTestDatabase();
  const store = openTestStore(database, now);
  return {
    database,
    store,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

export function openTestStore(database: TestDatabase, now: () => number = Date.now): RecorderStore {
  return openRecorderStore({ url: database.url, retentionDays: 30, now, log: createSilentLogger() });
}

/** An active webhook of the tenant `acme`. */
export async function insertWebhook({ knex }: TestDatabase): Promise<string> {
  const id = randomUUID();
  await knex.raw(`INSERT INTO tenants (id) VALUES ('acme') ON CONFLICT DO NOTHING`);
  await knex('webhooks').insert({ id, tenant_id: 'acme', event_type: 'all', url: 'https://receiver.example/' });
  return id;
}

/** A batch that says nothing but what the test gives it; its position is in a partition of its own. */
export function aBatch(content: Partial<LogBatch>): LogBatch {
  const position: LogPosition = { topic: randomUUID(), partition: 0, expectedOffset: null, nextOffset: 1 };
  return { positions: [position], attempts: [], events: [], deadLetters: [], ...content };
}

export interface Stats {
  readonly total: number;
  readonly successful: number;
  readonly failed: number;
  readonly lastTriggeredMs: number | null;
}

/** The `stats` of a webhook as the API would read them. */
export async function statsOf({ knex }: TestDatabase, webhookId: string): Promise<Stats> {
  const row = await knex('webhook_stats').where({ webhook_id: webhookId }).first();
  if (row === undefined) return { total: 0, successful: 0, failed: 0, lastTriggeredMs: null };
  return {
    total: Number(row.total_deliveries),
    successful: Number(row.successful_deliveries),
    failed: Number(row.failed_deliveries),
    lastTriggeredMs: row.last_triggered_at?.getTime() ?? null,
  };
}
