import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import type { LogPosition } from '../../../src/domain/log-entries.ts';
import { anAttempt } from '../../support/attempts.ts';
import {
  aBatch,
  createTestStore,
  insertWebhook,
  openTestStore,
  statsOf,
  type TestStore,
} from '../../support/recorder-store.ts';
import { startSwitchableProxy } from '../../support/switchable-proxy.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

let log: TestStore;
beforeAll(async () => {
  log = await createTestStore();
});
afterAll(() => log[Symbol.asyncDispose]());

const at = (topic: string, expectedOffset: number | null, nextOffset: number): LogPosition[] => [
  { topic, partition: 3, expectedOffset, nextOffset },
];

test('a position moves with the rows and is read back', async () => {
  const topic = unique('topic');
  expect(await log.store.loadOffset(topic, 3)).toBeNull();
  expect(await log.store.writeBatch(aBatch({ positions: at(topic, null, 7) }))).toEqual({ kind: 'written' });
  expect(await log.store.writeBatch(aBatch({ positions: at(topic, 7, 9) }))).toEqual({ kind: 'written' });
  expect(await log.store.loadOffset(topic, 3)).toBe(9);
});

test.each([
  ['has none where the log has one', null],
  ['is behind', 5],
  ['is ahead', 12],
])('a recorder whose position %s writes nothing', async (_, expected) => {
  const [topic, webhook] = [unique('topic'), await insertWebhook(log.database)];
  await log.store.writeBatch(aBatch({ positions: at(topic, null, 7) }));
  const batch = aBatch({ positions: at(topic, expected, 20), attempts: [anAttempt({ webhook_id: webhook })] });
  expect(await log.store.writeBatch(batch)).toEqual({ kind: 'moved' });
  expect(await log.store.loadOffset(topic, 3)).toBe(7);
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 0 });
});

test('of two recorders that write the same records at once, one does', async () => {
  const [topic, webhook, other] = [unique('topic'), await insertWebhook(log.database), openTestStore(log.database)];
  await log.store.writeBatch(aBatch({ positions: at(topic, null, 1) }));
  const attempts = Array.from({ length: 200 }, () => anAttempt({ webhook_id: webhook }));
  const batch = aBatch({ positions: at(topic, 1, 201), attempts });
  const results = await Promise.all([log.store.writeBatch(batch), other.writeBatch(batch)]);
  await other.close();
  expect(results.map(({ kind }) => kind).toSorted()).toEqual(['moved', 'written']);
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 200, successful: 200 });
});

test('every field of an attempt is kept as it was', async () => {
  const attempt = anAttempt({
    subject: 'żółć 🎉 \u0000 \ud800 tab\t',
    failure_message: 'x'.repeat(5_000),
    response_body: Buffer.from([0, 255, 10]),
    duration_us: 2 ** 40,
    dns_us: 17,
    started_at_ms: Date.parse('2026-11-23T10:11:12.345Z'),
    next_attempt_at_ms: Date.parse('9999-01-01T00:00:00.001Z'),
    webhook_version: 2 ** 53 - 1,
  });
  await log.store.writeBatch(aBatch({ attempts: [attempt] }));
  const [row] = await log.database.knex('attempts').where({ attempt_id: attempt.attempt_id });
  expect(row).toMatchObject({
    subject: 'żółć 🎉 \uFFFD \uFFFD tab\t',
    failure_message: attempt.failure_message,
    response_body: attempt.response_body,
    duration_us: String(2 ** 40),
    dns_us: '17',
    connect_us: null,
    webhook_version: String(2 ** 53 - 1),
    started_at: new Date(attempt.started_at_ms),
    next_attempt_at: new Date('9999-01-01T00:00:00.001Z'),
    ...pick(attempt, 'delivery_id', 'webhook_id', 'tenant_id', 'event_id', 'event_type', 'kind', 'outcome'),
  });
});

function pick(attempt: AttemptRecord, ...names: (keyof AttemptRecord)[]): Partial<AttemptRecord> {
  return Object.fromEntries(names.map((name) => [name, attempt[name]]));
}

test('a value that PostgreSQL cannot hold is refused, and the store goes on', async () => {
  const tooLong = anAttempt({ replay_id: 'replay-1', event_id: randomText(20_000) });
  const result = await log.store.writeBatch(aBatch({ attempts: [tooLong] }));
  expect(result.kind).toBe('refused');
  expect(await log.store.writeBatch(aBatch({ attempts: [anAttempt()] }))).toEqual({ kind: 'written' });
});

/** Incompressible, so that it does not fit an index entry. */
function randomText(length: number): string {
  return Array.from({ length }, () => String.fromCharCode(33 + Math.floor(Math.random() * 90))).join('');
}

test('events and dead letters are kept with their bytes', async () => {
  const place = { topic: unique('topic'), partition: 1, offset: 5, timestampMs: Date.now() };
  const event = { id: unique('evt'), type: 'case.opened', source: '/x', time: '2026-11-23T10:00:00.123456789Z' };
  const body = Buffer.from('{"id":"ü"}');
  const dead = { reason: 'bad_framing', key: null, value: Buffer.from([0, 1]), headers: '{}' };
  const unknown = { source: null, failedAt: null, tenantId: null, eventId: null, eventType: null };
  const noDelivery = { webhookId: null, deliveryId: null, lastStatus: null, error: null };
  await log.store.writeBatch(
    aBatch({
      events: [{ ...place, event: { ...event, tenantId: 'acme', subject: null, traceparent: null, body } }],
      deadLetters: [{ ...place, ...dead, ...unknown, ...noDelivery }],
    }),
  );
  const [archived] = await log.database.knex('events').where({ event_id: event.id });
  expect(archived).toMatchObject({
    time: event.time,
    body,
    record_offset: '5',
    received_at: new Date(place.timestampMs),
  });
  const [letter] = await log.database.knex('dead_letters').where({ topic: place.topic });
  expect(letter).toMatchObject({ reason: 'bad_framing', value: dead.value, key: null });
});

test('a PostgreSQL that does not answer is reported as unavailable, and the store works once it is back', async () => {
  await log.database.knex.raw(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'posthorn-recorder' AND datname = current_database()`,
  );
  const results = await Promise.allSettled([log.store.loadOffset('t', 0)]);
  for (const result of results)
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'unavailable' });
  expect(await log.store.loadOffset('t', 0)).toBeNull();
});

test('a connection that breaks in the middle of a batch fails the batch and nothing else', async () => {
  await using proxy = await startSwitchableProxy(log.database.url);
  const store = openTestStore({ ...log.database, url: proxy.url });
  const WAITING = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await log.database.knex.transaction(async (blocker) => {
    await blocker.raw('LOCK TABLE attempts IN ACCESS EXCLUSIVE MODE');
    const writing = expect(store.writeBatch(aBatch({ attempts: [anAttempt()] }))).rejects.toMatchObject({
      code: 'unavailable',
    });
    await waitUntil(async () => (await log.database.knex.raw(WAITING)).rowCount > 0);
    await proxy.close();
    await writing;
  });
  await proxy.open();
  expect(await store.writeBatch(aBatch({ attempts: [anAttempt()] }))).toEqual({ kind: 'written' });
  await store.close();
});

async function webhookRow(
  id: string,
): Promise<{ version: string; is_active: boolean; disabled_reason: string | null }> {
  return log.database.knex('webhooks').where({ id }).first();
}

function gone(webhookId: string, version: number): AttemptRecord {
  return anAttempt({ webhook_id: webhookId, outcome: 'dead', webhook_state: 'gone', webhook_version: version });
}

test('a webhook that answers 410 is switched off', async () => {
  const id = await insertWebhook(log.database);
  const { version } = await webhookRow(id);
  await log.store.writeBatch(aBatch({ attempts: [gone(id, Number(version))] }));
  expect(await webhookRow(id)).toMatchObject({ is_active: false, disabled_reason: 'gone' });
});

test('a webhook that was changed after the attempt had read it stays on', async () => {
  const id = await insertWebhook(log.database);
  const { version } = await webhookRow(id);
  await log.database.knex('webhooks').where({ id }).update({ url: 'https://moved.example/' });
  await log.store.writeBatch(aBatch({ attempts: [gone(id, Number(version))] }));
  expect(await webhookRow(id)).toMatchObject({ is_active: true, disabled_reason: null });
});

test('a report without a version counts when its attempt began after the last change', async () => {
  const [before, after] = [await insertWebhook(log.database), await insertWebhook(log.database)];
  const [old, young] = [gone(before, 0), gone(after, 0)];
  await log.store.writeBatch(
    aBatch({
      attempts: [
        { ...old, started_at_ms: Date.now() - 60_000 },
        { ...young, started_at_ms: Date.now() + 60_000 },
      ],
    }),
  );
  expect(await webhookRow(before)).toMatchObject({ is_active: true });
  expect(await webhookRow(after)).toMatchObject({ is_active: false });
});
