import { type Lane, type LaneWork, running } from './lane.ts';

/**
 * How a webhook is doing, as its lane shows. healthy: nothing failed lately. failing: its last attempt failed. throttled:
 * its receiver asked for a pause. held: its breaker is open.
 */
export const LANE_CLASSES = ['healthy', 'failing', 'throttled', 'held'] as const;
export type LaneClass = (typeof LANE_CLASSES)[number];

/** All lanes of one class together. */
export interface LaneCount {
  lanes: number;
  queued: number;
  running: number;
  /** When the longest waiting work came into this process, epoch milliseconds; null when none waits. */
  oldestMs: number | null;
}

/** All lanes, by class and by breaker. */
export interface LaneCensus {
  readonly classes: Readonly<Record<LaneClass, LaneCount>>;
  readonly breakers: { closed: number; open: number; half_open: number };
}

/** Counts lanes at this moment; one look at each. */
export function countLanes(lanes: Iterable<Lane<LaneWork>>, nowMs: number): LaneCensus {
  const census: LaneCensus = {
    classes: { healthy: none(), failing: none(), throttled: none(), held: none() },
    breakers: { closed: 0, open: 0, half_open: 0 },
  };
  for (const lane of lanes) {
    census.breakers[breakerStateOf(lane, nowMs)] += 1;
    addTo(census.classes[laneClassOf(lane, nowMs)], lane);
  }
  return census;
}

function laneClassOf(lane: Lane<LaneWork>, nowMs: number): LaneClass {
  if (breakerStateOf(lane, nowMs) === 'open') return 'held';
  if (lane.heldUntilMs > nowMs) return 'throttled';
  return lane.breaker.failures > 0 ? 'failing' : 'healthy';
}

function breakerStateOf({ breaker }: Lane<LaneWork>, nowMs: number): keyof LaneCensus['breakers'] {
  if (breaker.state === 'closed') return 'closed';
  return breaker.untilMs > nowMs ? 'open' : 'half_open';
}

function addTo(count: LaneCount, lane: Lane<LaneWork>): void {
  count.lanes += 1;
  count.queued += lane.queue.length;
  count.running += running(lane);
  const oldest = lane.queue.peek();
  if (oldest === undefined) return;
  count.oldestMs = Math.min(count.oldestMs ?? oldest.receivedAtMs, oldest.receivedAtMs);
}

function none(): LaneCount {
  return { lanes: 0, queued: 0, running: 0, oldestMs: null };
}
