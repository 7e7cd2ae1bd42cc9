import { expect, test } from 'vitest';
import { createLane } from '../../../src/domain/lane.ts';
import { type LaneResult, Lanes } from '../../../src/domain/lanes.ts';
import { isParking, type ParkedWebhook, probesOf, releasable } from '../../../src/domain/parking.ts';

const HOUR_MS = 3_600_000;
const limits = { youngRequests: 8, slowRequests: 4, requestsPerWebhook: 3 };

/** A lane that had these results, one after the other, at these times. */
function laneAfter(...results: readonly (readonly [nowMs: number, kind: LaneResult['kind']])[]) {
  const lanes = new Lanes<{ receivedAtMs: number }>(limits);
  for (const [nowMs, kind] of results) {
    lanes.add('w', { receivedAtMs: nowMs }, nowMs);
    lanes.tick(nowMs);
    const started = lanes.next(nowMs) ?? expect.fail('nothing may start');
    const untilMs = nowMs + 1;
    lanes.finished(started.lane, false, kind === 'throttled' ? { kind, untilMs } : { kind }, nowMs);
  }
  const [lane = expect.fail('no lane')] = lanes.all();
  return { lanes, lane };
}

test.each([
  ['from its first failure on', [[1_000, 'failed'] as const, [500_000, 'failed'] as const]],
  ['also when it throttles', [[1_000, 'throttled'] as const, [500_000, 'failed'] as const]],
  ['whatever was skipped', [[1_000, 'failed'] as const, [500_000, 'skipped'] as const]],
])('a lane parks an hour after it began to fail, %s', (_, results) => {
  const { lane } = laneAfter(...results);
  expect(isParking(lane, 1_000 + HOUR_MS - 1, HOUR_MS)).toBe(false);
  expect(isParking(lane, 1_000 + HOUR_MS, HOUR_MS)).toBe(true);
});

test('a success in between begins the hour anew', () => {
  const { lane } = laneAfter([1_000, 'failed'], [500_000, 'succeeded'], [600_000, 'failed']);
  expect(isParking(lane, 600_000 + HOUR_MS - 1, HOUR_MS)).toBe(false);
  expect(isParking(lane, 600_000 + HOUR_MS, HOUR_MS)).toBe(true);
});

test('a change of the webhook ends the parking', () => {
  const { lanes, lane } = laneAfter([1_000, 'failed']);
  lanes.reset('w', 2_000);
  expect(isParking(lane, 10 * HOUR_MS, HOUR_MS)).toBe(false);
});

test('since when a webhook fails is remembered over the pauses between probes, not for ever', () => {
  const { lanes } = laneAfter([1_000, 'failed']);
  lanes.forgetIdle(1_000 + 800_000);
  expect(lanes.size).toBe(1);
  lanes.forgetIdle(1_000 + 1_000_000);
  expect(lanes.size).toBe(0);
});

test('there is one probe at a time', () => {
  const lane = createLane('w', 0);
  expect(probesOf(lane)).toBe(1);
  lane.slow = 1;
  expect(probesOf(lane)).toBe(0);
});

const parked: ParkedWebhook = {
  webhook: { isActive: true, version: 7 },
  failing: { version: 7, lastMs: 1_000_000 },
  releasedAtMs: null,
  undecided: 0,
};

test.each([
  ['accepted something', { failing: null }],
  ['was changed by its owner', { webhook: { isActive: true, version: 8 } }],
  ['is off', { webhook: { isActive: false, version: 7 } }],
  ['was deleted', { webhook: null }],
])('what is parked for a webhook that %s is released, 50 a second', (_, change) => {
  expect(releasable({ ...parked, ...change }, 1_000_001)).toBe(50);
});

test('two releasers share the rate', () => {
  const healthy = { ...parked, failing: null, releasedAtMs: 5_000 };
  expect(releasable(healthy, 5_500)).toBe(0);
  expect(releasable(healthy, 6_000)).toBe(50);
});

test('the release waits for outcomes when the receiver is slower', () => {
  expect(releasable({ ...parked, failing: null, undecided: 80 }, 0)).toBe(20);
  expect(releasable({ ...parked, failing: null, undecided: 130 }, 0)).toBe(0);
});

test('a failing webhook that nobody asks gets one delivery as a probe every six minutes', () => {
  expect(releasable(parked, 1_000_000 + 359_999)).toBe(0);
  expect(releasable(parked, 1_000_000 + 360_000)).toBe(1);
  expect(releasable({ ...parked, releasedAtMs: 1_300_000 }, 1_000_000 + 360_000)).toBe(0);
  expect(releasable({ ...parked, releasedAtMs: 1_300_000 }, 1_300_000 + 360_000)).toBe(1);
});
