import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import { anAttempt } from '../../support/attempts.ts';
import {
  aBatch,
  createTestStore,
  insertWebhook,
  type Stats,
  statsOf,
  type TestStore,
} from '../../support/recorder-store.ts';
import { unique } from '../../support/unique.ts';

const CREATED_MS = Date.now();
let log: TestStore;
beforeAll(async () => {
  log = await createTestStore();
});
afterAll(() => log[Symbol.asyncDispose]());

async function record(...attempts: AttemptRecord[]): Promise<void> {
  expect(await log.store.writeBatch(aBatch({ attempts }))).toEqual({ kind: 'written' });
}

function uuidOf(...parts: unknown[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}

/** The rule as one would say it, over all records at once. */
function expectedStats(records: readonly AttemptRecord[]): Stats {
  const deliveries = Object.values(Object.groupBy(records, (each) => each.delivery_id)).map((all = []) => {
    const made = all.filter((each) => each.kind === 'attempted');
    const words = all.toSorted(
      (a, b) =>
        a.attempt - b.attempt ||
        Number(a.kind !== 'set_aside') - Number(b.kind !== 'set_aside') ||
        a.started_at_ms - b.started_at_ms ||
        (a.attempt_id < b.attempt_id ? -1 : 1),
    );
    return { made, word: words.at(-1), lastMs: Math.max(...made.map((each) => each.started_at_ms)) };
  });
  const attempted = deliveries.filter(({ made }) => made.length > 0);
  const counted = Object.values(Object.groupBy(attempted, ({ word }) => word?.event_id ?? '')).map((siblings = []) =>
    siblings
      .toSorted(
        (a, b) =>
          Number(a.word?.replay_id !== null) - Number(b.word?.replay_id !== null) ||
          a.lastMs - b.lastMs ||
          ((a.word?.delivery_id ?? '') < (b.word?.delivery_id ?? '') ? -1 : 1),
      )
      .at(-1),
  );
  const count = (outcome: string) => counted.filter((delivery) => delivery?.word?.outcome === outcome).length;
  return {
    total: counted.length,
    successful: count('succeeded'),
    failed: count('dead'),
    lastTriggeredMs: attempted.length === 0 ? null : Math.max(...attempted.map(({ lastMs }) => lastMs)),
  };
}

const shape = fc.record({
  event: fc.integer({ min: 1, max: 3 }),
  replay: fc.constantFrom(null, null, 'r1', 'r2'),
  attempt: fc.integer({ min: 1, max: 4 }),
  kind: fc.constantFrom<AttemptRecord['kind']>('attempted', 'attempted', 'set_aside', 'ended'),
  outcome: fc.constantFrom<AttemptRecord['outcome']>('succeeded', 'retrying', 'dead'),
  delayMs: fc.integer({ min: 0, max: 9 }),
  /** In which batch it comes, and once more in which. */
  batch: fc.integer({ min: 0, max: 4 }),
  repeat: fc.option(fc.integer({ min: 0, max: 4 })),
});

// Without replays first: from the first replay on, PostgreSQL compares the deliveries of an event with each other.
test.each([
  [
    'without replays',
    fc.array(
      shape.map((each) => ({ ...each, replay: null })),
      { minLength: 1, maxLength: 24 },
    ),
  ],
  ['with replays', fc.array(shape, { minLength: 1, maxLength: 24 })],
])('any order, any repeats and any batches of records give the same stats, %s', async (_, anyShapes) => {
  await fc.assert(
    fc.asyncProperty(anyShapes, async (shapes) => {
      const webhook = await insertWebhook(log.database);
      const run = unique('run');
      const records = shapes.map(({ event, replay, attempt, kind, outcome, delayMs }) =>
        anAttempt({
          delivery_id: uuidOf(run, event, replay),
          webhook_id: webhook,
          event_id: `${run}_${event}`,
          replay_id: replay,
          delivery_created_at_ms: CREATED_MS,
          started_at_ms: CREATED_MS + delayMs,
          attempt,
          kind,
          outcome: kind === 'set_aside' ? 'waiting' : outcome,
        }),
      );
      for (let batch = 0; batch <= 4; batch += 1) {
        const inBatch = records.filter((_, index) => shapes[index]?.batch === batch || shapes[index]?.repeat === batch);
        if (inBatch.length > 0) await record(...inBatch.toReversed());
      }
      expect(await statsOf(log.database, webhook)).toEqual(expectedStats(records));
      const rows = await log.database.knex('attempts').where({ webhook_id: webhook }).count();
      expect(Number(rows[0]?.['count'])).toBe(records.length);
    }),
    { numRuns: 40 },
  );
});

test('a waiting retry is counted in the total only, and ends as failed by a 410', async () => {
  const webhook = await insertWebhook(log.database);
  const first = anAttempt({ webhook_id: webhook, outcome: 'retrying', failure_code: 'http_500', status_code: 500 });
  await record(first);
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 1, successful: 0, failed: 0 });
  const gone = { ...anAttempt(), attempt: 2, outcome: 'dead' as const, failure_code: 'http_410', status_code: 410 };
  await record({ ...gone, webhook_id: webhook, delivery_id: first.delivery_id, event_id: first.event_id });
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 1, successful: 0, failed: 1 });
});

test('a dead letter without an attempt is not counted', async () => {
  const webhook = await insertWebhook(log.database);
  await record(anAttempt({ webhook_id: webhook, kind: 'ended', outcome: 'dead', failure_code: 'webhook_disabled' }));
  expect(await statsOf(log.database, webhook)).toEqual({ total: 0, successful: 0, failed: 0, lastTriggeredMs: null });
  const [delivery] = await log.database.knex('deliveries').where({ webhook_id: webhook });
  expect(delivery).toMatchObject({ status: 'failed', attempts: 0, last_failure_code: 'webhook_disabled' });
});

test.each(['before', 'after'])('a replay replaces the word of an original that is recorded %s it', async (order) => {
  const webhook = await insertWebhook(log.database);
  const original = anAttempt({ webhook_id: webhook, outcome: 'dead', failure_code: 'http_500' });
  const replay = anAttempt({ webhook_id: webhook, event_id: original.event_id, replay_id: 'replay-1' });
  for (const attempt of order === 'before' ? [original, replay] : [replay, original]) await record(attempt);
  expect(await statsOf(log.database, webhook)).toMatchObject({ total: 1, successful: 1, failed: 0 });
});

test('attempts of a webhook that was deleted are logged and counted nowhere', async () => {
  const attempt = anAttempt();
  await record(attempt);
  expect(await log.database.knex('attempts').where({ webhook_id: attempt.webhook_id })).toHaveLength(1);
  expect(await log.database.knex('webhook_stats').where({ webhook_id: attempt.webhook_id })).toEqual([]);
});
