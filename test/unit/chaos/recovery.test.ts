import { expect, test } from 'vitest';
import type { Request } from '../../../src/chaos/ledger.ts';
import { percentiles, recoverySeconds } from '../../../src/chaos/recovery.ts';

/** Requests accepted every 10 ms, except in the gap. */
function steady(gapFromMs: number, gapToMs: number): Request[] {
  const times = Array.from({ length: 2_000 }, (_, index) => index * 10);
  return times
    .filter((atMs) => atMs < gapFromMs || atMs >= gapToMs)
    .map((atMs) => ({
      path: '/C0/0',
      eventId: `e${atMs}`,
      deliveryId: 'd',
      attempt: 1,
      timestampSeconds: 0,
      atMs,
      bodyHash: '',
      verified: true,
      answer: 'accepted' as const,
    }));
}

test('recovery is the time from the end of the fault to the first second at 90 % of the rate before', () => {
  const requests = steady(5_000, 9_000);
  expect(recoverySeconds(requests, [{ startMs: 5_000, endMs: 6_000 }])).toBe(2.9);
});

test('of several faults the slowest recovery counts', () => {
  const requests = steady(5_000, 9_000);
  const spans = [
    { startMs: 3_000, endMs: 3_100 },
    { startMs: 5_000, endMs: 6_000 },
  ];
  expect(recoverySeconds(requests, spans)).toBe(2.9);
});

test('a rate that never comes back has no time', () => {
  expect(recoverySeconds(steady(5_000, 20_000), [{ startMs: 5_000, endMs: 6_000 }])).toBeNull();
});

test('percentiles of nothing are nothing', () => {
  expect(percentiles([])).toBeNull();
  expect(percentiles([5, 1, 3])).toEqual({ p50: 3, p99: 5 });
});
