import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRetrySchedule, partitionDelayMs, type RetrySchedule } from '../../../src/domain/retry-schedule.ts';
import { placeToWait, placeTowards, type TierPlace } from '../../../src/domain/setting-aside.ts';

const DEFAULT = ['5s', '1m', '5m', '30m', '2h', '6h', '12h', '24h', '24h'];
const PARTITIONS = 6;
const DAY_MS = 86_400_000;

function schedule(names = DEFAULT, jitter = 0.2): RetrySchedule {
  const created = createRetrySchedule(names, jitter);
  if (created === null) throw new Error('not a schedule');
  return created;
}

function waitOf({ tier, partition }: TierPlace, chance: number, { jitter } = schedule()): number {
  const chosen = partition ?? Math.floor(chance * PARTITIONS);
  return partitionDelayMs(tier.delayMs, jitter, chosen, PARTITIONS);
}

const place = (rewrites: number, waitedMs: number, pauseMs = 0) =>
  placeToWait(schedule(), { rewrites, waitedMs, pauseMs }, PARTITIONS);

test('what cannot start goes to overflow first', () => {
  expect(place(0, 30_000)).toBeNull();
});

test.each([
  ['the second time', 1, 4_000, '1m'],
  ['the second time after a minute', 1, 61_000, '5m'],
  ['the third time', 2, 370_000, '30m'],
  ['the fourth time', 3, 2_200_000, '2h'],
  ['the fifth time', 4, 9_500_000, '6h'],
  ['the sixth time', 5, 31_000_000, '24h'],
  ['any later time', 40, 100 * DAY_MS, '24h'],
])('%s it goes to a tier that is longer than it has waited', (_, rewrites, waitedMs, tier) => {
  expect(place(rewrites, waitedMs)?.tier.name).toBe(tier);
});

test('a pause of the webhook that is known leads past it at once', () => {
  const hop = place(0, 0, 300_000);
  expect(hop).toMatchObject({ tier: { name: '5m' }, partition: 3 });
  expect(waitOf(hop ?? expect.fail('overflow'), 0)).toBeGreaterThanOrEqual(300_000);
});

test('a schedule of short delays waits its longest', () => {
  const short = schedule(['1s', '2s'], 0);
  expect(placeToWait(short, { rewrites: 3, waitedMs: 9_000, pauseMs: 0 }, 1)?.tier.name).toBe('2s');
});

/** What a lane without a free slot may do to a delivery each time that it comes back, in whatever order. */
const anyVisit = fc.record({
  /** In memory until it is set aside: two seconds when it is crowded, up to 30, plus the rhythm of collecting. */
  inMemoryMs: fc.integer({ min: 0, max: 31_000 }),
  pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 30_000, max: 300_000 })),
  chance: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
});

function mostPerDay(timesMs: readonly number[]): number {
  return Math.max(...timesMs.map((from) => timesMs.filter((at) => at >= from && at < from + DAY_MS).length));
}

test('a delivery that never gets a slot, for a week, is rewritten at most six times in any 24 hours', () => {
  fc.assert(
    fc.property(fc.array(anyVisit, { minLength: 20, maxLength: 20 }), (visits) => {
      const rewrites: number[] = [];
      let nowMs = 0;
      for (const { inMemoryMs, pauseMs, chance } of visits) {
        if (nowMs > 7 * DAY_MS) break;
        nowMs += inMemoryMs;
        const target = place(rewrites.length, nowMs, pauseMs);
        rewrites.push(nowMs);
        nowMs += target === null ? 0 : waitOf(target, chance);
      }
      expect(mostPerDay(rewrites)).toBeLessThanOrEqual(6);
    }),
    { numRuns: 2_000 },
  );
});

test('a receiver that asked for a time is asked neither early nor after more than six rewrites, slot or no slot', () => {
  fc.assert(
    fc.property(fc.integer({ min: 30_001, max: DAY_MS }), fc.array(anyVisit, { minLength: 9 }), (askedMs, visits) => {
      const rewrites: number[] = [];
      let nowMs = 0;
      for (const { inMemoryMs, chance } of visits) {
        const remainingMs = askedMs - nowMs;
        const target =
          remainingMs > 30_000
            ? placeTowards(schedule(), { rewrites: rewrites.length, remainingMs }, PARTITIONS)
            : place(rewrites.length, Math.max(0, nowMs - askedMs) + inMemoryMs);
        rewrites.push(nowMs);
        nowMs += target === null ? inMemoryMs : waitOf(target, chance);
      }
      expect(mostPerDay(rewrites)).toBeLessThanOrEqual(6);
    }),
    { numRuns: 2_000 },
  );
});

test('hops come close to the time that the receiver asked for', () => {
  fc.assert(
    fc.property(fc.integer({ min: 30_001, max: DAY_MS }), (askedMs) => {
      let [nowMs, rewrites] = [0, 0];
      for (; askedMs - nowMs > 30_000; rewrites++) {
        const hop = placeTowards(schedule(), { rewrites, remainingMs: askedMs - nowMs }, PARTITIONS);
        nowMs += hop === null ? 0 : waitOf(hop, 0);
      }
      expect(rewrites).toBeLessThanOrEqual(5);
      expect(nowMs - askedMs).toBeLessThanOrEqual(Math.max(18_000, askedMs * 0.2));
    }),
    { numRuns: 2_000 },
  );
});
