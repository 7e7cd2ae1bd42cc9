import { expect, test } from 'vitest';
import { decideNext } from '../../../src/domain/decision.ts';
import {
  createRetrySchedule,
  hopTowards,
  parseDelayMs,
  partitionDelayMs,
  type RetrySchedule,
  tierAfter,
} from '../../../src/domain/retry-schedule.ts';

const DEFAULT = ['5s', '1m', '5m', '30m', '2h', '6h', '12h', '24h', '24h'];

function schedule(names = DEFAULT, jitter = 0.2): RetrySchedule {
  const created = createRetrySchedule(names, jitter);
  if (created === null) throw new Error('not a schedule');
  return created;
}

test.each([
  ['5s', 5_000],
  ['1m', 60_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['0s', null],
  ['5', null],
  ['-5s', null],
  ['5 s', null],
  ['1w', null],
])('the delay %s is %s ms', (text, expected) => {
  expect(parseDelayMs(text)).toBe(expected);
});

test('nine delays make ten attempts over eight topics', () => {
  expect(schedule().tiers.map(({ name }) => name)).toEqual(['5s', '1m', '5m', '30m', '2h', '6h', '12h', '24h']);
  expect(tierAfter(schedule(), 9)?.name).toBe('24h');
  expect(tierAfter(schedule(), 10)).toBeNull();
});

test('partitions of a tier spread evenly over delay plus and minus the jitter', () => {
  const delays = Array.from({ length: 6 }, (_, partition) => partitionDelayMs(60_000, 0.2, partition, 6));
  expect(delays).toEqual([48_000, 52_800, 57_600, 62_400, 67_200, 72_000]);
  expect(partitionDelayMs(60_000, 0.2, 0, 1)).toBe(60_000);
});

test.each([
  [90_000, '1m', 5],
  [50_000, '1m', 0],
  [47_000, '5s', 5],
  [4_100, '5s', 0],
])('a wait of %i ms goes through tier %s, partition %i', (remainingMs, tier, partition) => {
  expect(hopTowards(schedule(), remainingMs, 6)).toMatchObject({ tier: { name: tier }, partition });
});

test('a wait shorter than any tier is spent in memory', () => {
  expect(hopTowards(schedule(), 3_900, 6)).toBeNull();
});

const at = { nowMs: 1_000_000, partitions: 6 };
const failed = { kind: 'failed', status: 500, code: 'http_500', message: 'HTTP 500' } as const;
const throttled = (retryAfterMs: number | null) =>
  ({ kind: 'throttled', status: 429, code: 'http_429', message: 'HTTP 429', retryAfterMs }) as const;

test('an accepted delivery is over', () => {
  expect(decideNext({ kind: 'succeeded', status: 204 }, 1, schedule(), at)).toEqual({ kind: 'accepted' });
});

test('a failed attempt is repeated after its delay, the last one is dead', () => {
  expect(decideNext(failed, 1, schedule(), at)).toMatchObject({ kind: 'retry', tier: { name: '5s' }, notBeforeMs: 0 });
  expect(decideNext(failed, 10, schedule(), at)).toEqual({ kind: 'dead', reason: 'attempts_exhausted' });
});

test('410 ends the delivery at once', () => {
  const gone = { kind: 'gone', status: 410, code: 'http_410', message: 'HTTP 410: Gone' } as const;
  expect(decideNext(gone, 1, schedule(), at)).toEqual({ kind: 'dead', reason: 'webhook_gone' });
});

test.each([
  ['no time', null, '5s', 0],
  ['a time before the delay', 1_000, '5s', 0],
  ['two minutes', 120_000, '1m', 1_000_000 + 120_000],
  ['a year, clamped to a day', 365 * 86_400_000, '24h', 1_000_000 + 86_400_000],
])('a throttling receiver that names %s is asked again then', (_, retryAfterMs, tier, notBeforeMs) => {
  expect(decideNext(throttled(retryAfterMs), 1, schedule(), at)).toMatchObject({
    kind: 'retry',
    tier: { name: tier },
    notBeforeMs,
  });
});
