import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import type { DisabledWebhook } from '../../../src/domain/webhook.ts';
import { openRecorderStore, type RecorderStore } from '../../../src/infrastructure/postgres/recorder-store.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { anAttempt } from '../../support/attempts.ts';
import { aBatch, insertWebhook } from '../../support/recorder-store.ts';
import { createTestDatabase, type TestDatabase } from '../../support/test-database.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.now() - 10 * DAY_MS;
const disabled: DisabledWebhook[] = [];
let database: TestDatabase;
let store: RecorderStore;
beforeAll(async () => {
  database = await createTestDatabase();
  const log = createSilentLogger();
  const onDisabled = (webhooks: readonly DisabledWebhook[]) => void disabled.push(...webhooks);
  store = openRecorderStore({ url: database.url, retentionDays: 30, now: Date.now, log, onDisabled });
});
afterAll(async () => {
  await store.close();
  await database[Symbol.asyncDispose]();
});

async function rowOf(id: string): Promise<{ version: string; is_active: boolean; disabled_reason: string | null }> {
  return database.knex('webhooks').where({ id }).first('version', 'is_active', 'disabled_reason');
}

/** An attempt that ended so many days after the start, with the webhook's row as it is now. */
async function attemptAt(id: string, days: number, outcome: AttemptRecord['outcome']): Promise<AttemptRecord> {
  const { version } = await rowOf(id);
  const at = { started_at_ms: START_MS + days * DAY_MS, duration_us: 0, webhook_version: Number(version) };
  return anAttempt({ webhook_id: id, outcome, ...at });
}

async function record(...attempts: AttemptRecord[]): Promise<void> {
  expect(await store.writeBatch(aBatch({ attempts }))).toEqual({ kind: 'written' });
}

async function fail(id: string, ...days: number[]): Promise<void> {
  for (const day of days) await record(await attemptAt(id, day, 'retrying'));
}

const OFF = { is_active: false, disabled_reason: 'failing' };
const ON = { is_active: true, disabled_reason: null };

test('a webhook that does nothing but fail for five days is switched off, and somebody is told once', async () => {
  const id = await insertWebhook(database);
  await fail(id, 0, 1, 4.999);
  expect(await rowOf(id)).toMatchObject(ON);
  await fail(id, 5);
  expect(await rowOf(id)).toMatchObject(OFF);
  await fail(id, 5.1);
  expect(disabled.filter(({ webhookId }) => webhookId === id)).toEqual([
    { webhookId: id, tenantId: 'acme', reason: 'failing' },
  ]);
});

test('one batch with all of it does the same', async () => {
  const id = await insertWebhook(database);
  await record(await attemptAt(id, 5, 'retrying'), await attemptAt(id, 0, 'retrying'));
  expect(await rowOf(id)).toMatchObject(OFF);
});

test('a success in between begins the five days anew', async () => {
  const id = await insertWebhook(database);
  await fail(id, 0, 2);
  await record(await attemptAt(id, 3, 'succeeded'));
  await fail(id, 4, 8.9);
  expect(await rowOf(id)).toMatchObject(ON);
  await fail(id, 9);
  expect(await rowOf(id)).toMatchObject(OFF);
});

test('a success that is recorded late still counts', async () => {
  const id = await insertWebhook(database);
  await fail(id, 0, 4);
  await record(await attemptAt(id, 3, 'succeeded'));
  await fail(id, 5);
  expect(await rowOf(id)).toMatchObject(ON);
});

test('silence is no failure: without one after the five days nothing happens', async () => {
  const id = await insertWebhook(database);
  await fail(id, 0, 1);
  expect(await rowOf(id)).toMatchObject(ON);
});

test('switched on again, it has five days again', async () => {
  const id = await insertWebhook(database);
  await fail(id, 0, 5);
  await database.knex('webhooks').where({ id }).update({ is_active: true, disabled_reason: null });
  await fail(id, 5.1, 10);
  expect(await rowOf(id)).toMatchObject(ON);
});

test('failures from before its owner changed it switch nothing off', async () => {
  const id = await insertWebhook(database);
  await fail(id, 0);
  const last = await attemptAt(id, 6, 'retrying');
  await database.knex('webhooks').where({ id }).update({ url: 'https://other.example/' });
  await record(last);
  expect(await rowOf(id)).toMatchObject(ON);
});

test('failures of a webhook that was deleted are not remembered', async () => {
  const id = await insertWebhook(database);
  const failure = await attemptAt(id, 0, 'retrying');
  await database.knex('webhooks').where({ id }).delete();
  await record(failure);
  expect(await database.knex('webhook_failures').where({ webhook_id: id })).toEqual([]);
});
