import { expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import { anAttempt } from '../../support/attempts.ts';
import {
  aBatch,
  createTestStore,
  insertWebhook,
  openTestStore,
  statsOf,
  type TestStore,
} from '../../support/recorder-store.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.parse('2026-11-23T10:00:00Z');

function attemptOf(createdAt: string, fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return anAttempt({ delivery_created_at_ms: Date.parse(createdAt), ...fields });
}

/** Table by table the partition that holds the row of this delivery. */
async function partitionOf({ database }: TestStore, table: string, deliveryId: string): Promise<string> {
  const [row] = await database
    .knex(table)
    .where({ delivery_id: deliveryId })
    .select(database.knex.raw('tableoid::regclass::text AS name'));
  return row.name;
}

test.each([
  ['2026-11-23T00:00:00Z', '2026_11_23'],
  ['2026-11-16T23:59:59.999Z', '2026_11_16'],
  ['2026-10-24T12:00:00Z', '2026_10_24'],
  ['2026-10-23T12:00:00Z', 'other_days'],
  ['2026-11-25T12:00:00Z', '2026_11_25'],
  ['2026-11-26T12:00:00Z', 'other_days'],
  ['1970-01-01T00:00:00Z', 'other_days'],
  ['2100-06-01T00:00:00Z', 'other_days'],
])('the rows of a delivery of %s are in %s', async (createdAt, day) => {
  await using log = await createTestStore(() => NOW_MS);
  const attempt = attemptOf(createdAt);
  await log.store.writeBatch(aBatch({ attempts: [attempt] }));
  expect(await partitionOf(log, 'attempts', attempt.delivery_id)).toBe(`attempts_${day}`);
  expect(await partitionOf(log, 'deliveries', attempt.delivery_id)).toBe(`deliveries_${day}`);
});

test('the second attempt of a delivery meets its row although its day has a partition only since', async () => {
  let nowMs = NOW_MS;
  await using log = await createTestStore(() => nowMs);
  const webhook = await insertWebhook(log.database);
  const first = attemptOf('2026-11-26T12:00:00Z', { webhook_id: webhook, outcome: 'retrying' });
  await log.store.writeBatch(aBatch({ attempts: [first] }));
  nowMs += 2 * DAY_MS;
  const second = anAttempt({ ...first, attempt_id: anAttempt().attempt_id, attempt: 2, outcome: 'succeeded' });
  await log.store.writeBatch(aBatch({ attempts: [second] }));
  expect(await partitionOf(log, 'deliveries', first.delivery_id)).toBe('deliveries_2026_11_26');
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 1, successful: 1 });
});

test('several recorders make the same days at once', async () => {
  await using log = await createTestStore(() => NOW_MS);
  const stores = Array.from({ length: 4 }, () => openTestStore(log.database, () => NOW_MS));
  const attempts = () => [0, 1, 2].map((days) => attemptOf(new Date(NOW_MS - days * DAY_MS).toISOString()));
  const results = await Promise.all(stores.map((store) => store.writeBatch(aBatch({ attempts: attempts() }))));
  await Promise.all(stores.map((store) => store.close()));
  expect(results).toEqual(stores.map(() => ({ kind: 'written' })));
  const [count] = await log.database.knex('attempts').count();
  expect(Number(count?.['count'])).toBe(12);
});

test('retention drops days past their time, keeps the stats and makes the days to come', async () => {
  let nowMs = NOW_MS;
  await using log = await createTestStore(() => nowMs);
  const webhook = await insertWebhook(log.database);
  const days = ['2026-11-22T12:00:00Z', '2026-11-23T12:00:00Z'];
  const attempts = days.map((day) => attemptOf(day, { webhook_id: webhook }));
  await log.store.writeBatch(aBatch({ attempts }));
  nowMs = Date.parse('2026-12-23T01:00:00Z');
  const dropped = await log.store.tidyDays();
  expect(dropped).toEqual(['deliveries_2026_11_22', 'attempts_2026_11_22']);
  const left = await log.database.knex('attempts').select('delivery_id');
  expect(left).toEqual([{ delivery_id: attempts[1]?.delivery_id }]);
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 2 });
  const [made] = await log.database.knex
    .raw(`SELECT to_regclass('events_2026_12_25') AS name`)
    .then(({ rows }) => rows);
  expect(made.name).toBe('events_2026_12_25');
});

test('rows of other days go when they were recorded before the oldest day that is kept', async () => {
  let nowMs = Date.now();
  await using log = await createTestStore(() => nowMs);
  await log.store.writeBatch(aBatch({ attempts: [attemptOf('2100-06-01T00:00:00Z')] }));
  await log.store.tidyDays();
  expect(await log.database.knex('attempts')).toHaveLength(1);
  nowMs += 32 * DAY_MS;
  await log.store.tidyDays();
  expect(await log.database.knex('attempts')).toHaveLength(0);
});

test('writing goes on while a reader keeps a day from being made', async () => {
  let nowMs = NOW_MS;
  await using log = await createTestStore(() => nowMs);
  const attempt = attemptOf('2026-11-23T12:00:00Z');
  await log.database.knex.transaction(async (reader) => {
    await reader('attempts').count();
    await log.store.writeBatch(aBatch({ attempts: [attempt] }));
  });
  expect(await partitionOf(log, 'attempts', attempt.delivery_id)).toBe('attempts_other_days');
  nowMs += 60_000;
  await log.store.tidyDays();
  expect(await partitionOf(log, 'attempts', attempt.delivery_id)).toBe('attempts_2026_11_23');
});

test('a partition that is being read stays for the next round', async () => {
  let nowMs = NOW_MS;
  await using log = await createTestStore(() => nowMs);
  await log.store.writeBatch(aBatch({ attempts: [attemptOf('2026-11-22T12:00:00Z')] }));
  nowMs = Date.parse('2026-12-23T01:00:00Z');
  const dropped = await log.database.knex.transaction(async (reader) => {
    await reader('attempts').count();
    return log.store.tidyDays();
  });
  expect(dropped).toEqual(['deliveries_2026_11_22']);
  expect(await log.store.tidyDays()).toEqual(['attempts_2026_11_22']);
});
