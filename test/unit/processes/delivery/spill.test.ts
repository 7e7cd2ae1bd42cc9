import { expect, test } from 'vitest';
import type { AttemptRecord } from '../../../../src/domain/attempt-record.ts';
import type { DeliveryRecord } from '../../../../src/domain/delivery-record.ts';
import { type LaneResult, Lanes } from '../../../../src/domain/lanes.ts';
import { createRetrySchedule } from '../../../../src/domain/retry-schedule.ts';
import type { Job } from '../../../../src/processes/delivery/job.ts';
import { OutcomeRecords } from '../../../../src/processes/delivery/outcome-records.ts';
import { Spill, type SpillBatch } from '../../../../src/processes/delivery/spill.ts';
import { createDelivery, createPartition } from './engine-parts.ts';

const HOUR_MS = 3_600_000;
const topics = {
  attempts: 'attempts',
  overflow: 'overflow',
  deadDeliveries: 'dead',
  retry: (tier: string) => `retry.${tier}`,
};
const limits = { youngRequests: 8, slowRequests: 4, requestsPerWebhook: 3 };

/** Lanes whose one webhook began to fail at zero, and what would be set aside of it. */
function failing({ mayPark = true } = {}) {
  const schedule = createRetrySchedule(['5s', '1m', '5m', '30m', '2h', '6h', '24h'], 0) ?? expect.fail('no schedule');
  const records = new OutcomeRecords({
    topics,
    schedule,
    retryPartitions: () => 1,
    encodeDelivery: (delivery) => Buffer.from(JSON.stringify({ ...delivery, body: delivery.body.toString() })),
    encodeAttempt: (attempt) =>
      Buffer.from(JSON.stringify({ ...attempt, delivery: attempt.delivery?.toString() ?? null })),
    newId: () => 'note',
    random: () => 0,
  });
  const counted: string[] = [];
  const spill = new Spill({
    records,
    schedule,
    retryPartitions: () => 1,
    crowdedAt: 1_000,
    parkAfterMs: HOUR_MS,
    mayPark: () => mayPark,
    onSetAside: (reason, target, count) => void counted.push(`${count} ${reason} -> ${target}`),
  });
  const lanes = new Lanes<Job>(limits);
  const { partition } = createPartition();
  const add = (count: number, nowMs: number, delivery: Partial<DeliveryRecord> = {}) => {
    for (let index = 0; index < count; index++) {
      const receivedAtMs = nowMs;
      const job = { delivery: createDelivery(delivery), partition, offset: index, bytes: 1, receivedAtMs };
      lanes.add('webhook-1', job, nowMs);
    }
  };
  const attempt = (nowMs: number, result: LaneResult = { kind: 'failed' }) => {
    const { lane } = lanes.next(nowMs) ?? expect.fail('nothing may start');
    lanes.finished(lane, false, result, nowMs);
  };
  add(1, 0);
  attempt(0);
  return { add, attempt, lanes, counted, collect: (nowMs: number) => spill.collect(lanes, nowMs) };
}

function written(batches: readonly SpillBatch[]): { topic: string; note: AttemptRecord & { delivery: string } }[] {
  return batches.flatMap(({ records }) =>
    records.map(({ topic, value }) => ({ topic, note: JSON.parse(String(value)) })),
  );
}

test('before the hour nothing is parked', () => {
  const { add, collect } = failing();
  add(5, HOUR_MS - 1_000);
  expect(collect(HOUR_MS - 1)).toEqual([]);
});

test('after an hour of failures all but one probe are parked, whole, in a note and nowhere else', () => {
  const { add, collect, lanes, counted } = failing();
  add(5, HOUR_MS, { attempt: 3, rewrites: 2, waiting_since_ms: 7, body: Buffer.from('{"of":"the event"}') });
  const [batch = expect.fail('nothing was set aside')] = collect(HOUR_MS);
  expect(batch.jobs).toHaveLength(4);
  expect(lanes.queued).toBe(1);
  expect(counted).toEqual(['4 failing -> parked']);
  for (const { topic, note } of written([batch])) {
    expect(topic).toBe('attempts');
    expect(note).toMatchObject({ kind: 'set_aside', outcome: 'parked', attempt: 3, delivery_id: 'delivery-1' });
    // A rewrite like others, so that nobody takes what is released for a repeat; it has not waited for this slot yet.
    const changed = { attempt: 3, rewrites: 3, waiting_since_ms: 0 };
    expect(JSON.parse(note.delivery)).toEqual({ ...createDelivery(changed), body: '{"of":"the event"}' });
  }
});

test('while the probe runs, everything else is parked', () => {
  const { add, collect, lanes } = failing();
  add(3, HOUR_MS);
  lanes.next(HOUR_MS);
  expect(collect(HOUR_MS)[0]?.jobs).toHaveLength(2);
  expect(lanes.queued).toBe(0);
});

test('a breaker that stays open for longer than memory may wait leaves no probe', () => {
  const { add, attempt, collect, lanes } = failing();
  add(3, HOUR_MS);
  attempt(HOUR_MS, { kind: 'throttled', untilMs: HOUR_MS + 31_000 });
  expect(collect(HOUR_MS)[0]?.jobs).toHaveLength(2);
  expect(lanes.queued).toBe(0);
});

test('a probe that cannot start in time is parked too', () => {
  const { add, collect, lanes } = failing();
  add(1, HOUR_MS);
  expect(collect(HOUR_MS)[0]?.jobs ?? []).toEqual([]);
  expect(collect(HOUR_MS + 30_001)[0]?.jobs).toHaveLength(1);
  expect(lanes.queued).toBe(0);
});

test('nothing is parked while nobody knows whether PostgreSQL answers', () => {
  const { add, collect, counted } = failing({ mayPark: false });
  add(1, HOUR_MS);
  add(1, HOUR_MS, { rewrites: 1, waiting_since_ms: HOUR_MS - 60_000 });
  const batches = collect(HOUR_MS + 30_001);
  expect(written(batches).map(({ topic }) => topic)).toEqual(['overflow', 'attempts', 'retry.5m', 'attempts']);
  expect(counted).toEqual(['1 waited -> overflow', '1 waited -> tier']);
});

test('what waits for a webhook that is back is not parked', () => {
  const { add, attempt, collect, lanes } = failing();
  add(4, HOUR_MS);
  attempt(HOUR_MS, { kind: 'succeeded' });
  expect(collect(HOUR_MS)).toEqual([]);
  expect(lanes.queued).toBe(3);
});
