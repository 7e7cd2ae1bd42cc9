import { expect, test } from 'vitest';
import { createLane, type Lane, type LaneWork } from '../../../src/domain/lane.ts';
import { countLanes } from '../../../src/domain/lane-census.ts';

const NOW_MS = 1_000_000;

function laneOf(changes: Partial<Lane<LaneWork>>, receivedAtMs: readonly number[] = []): Lane<LaneWork> {
  const lane = { ...createLane<LaneWork>('webhook', NOW_MS), ...changes };
  for (const time of receivedAtMs) lane.queue.push({ receivedAtMs: time });
  return lane;
}

test('lanes are counted by how their webhook does', () => {
  const census = countLanes(
    [
      laneOf({ young: 2, slow: 1 }, [NOW_MS - 50, NOW_MS - 40]),
      laneOf({}, [NOW_MS - 90]),
      laneOf({ breaker: { state: 'closed', failures: 3 } }, [NOW_MS - 7_000]),
      laneOf({ heldUntilMs: NOW_MS + 1_000 }),
      laneOf({ breaker: { state: 'open', failures: 12, untilMs: NOW_MS + 500 }, heldUntilMs: NOW_MS + 500 }, [1, 2, 3]),
      laneOf({ breaker: { state: 'open', failures: 12, untilMs: NOW_MS - 1 }, heldUntilMs: NOW_MS - 1 }),
    ],
    NOW_MS,
  );
  expect(census.classes).toEqual({
    healthy: { lanes: 2, queued: 3, running: 3, oldestMs: NOW_MS - 90 },
    failing: { lanes: 2, queued: 1, running: 0, oldestMs: NOW_MS - 7_000 },
    throttled: { lanes: 1, queued: 0, running: 0, oldestMs: null },
    held: { lanes: 1, queued: 3, running: 0, oldestMs: 1 },
  });
  expect(census.breakers).toEqual({ closed: 4, open: 1, half_open: 1 });
});
