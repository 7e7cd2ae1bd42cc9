import type { Lane, LaneWork } from './lane.ts';
import { running } from './lane.ts';

/** Released deliveries per webhook and second: a receiver that has just come back is not to fall over again. */
const RELEASED_AT_ONCE = 50;
/** Just below the second in which releasers come round. */
const RELEASE_PAUSE_MS = 900;
/** Released deliveries of one webhook without an outcome: no more than its lane has in memory for a while anyway. */
const MOST_UNDECIDED = 2 * RELEASED_AT_ONCE;
/** A webhook is asked once in this time whether it is back, by new deliveries or by a parked one; above the breaker's longest pause. */
const PROBE_EVERY_MS = 360_000;

/**
 * Whether what waits in a lane is put aside until its webhook accepts something again. What is left is one probe: none
 * while one runs.
 */
export function isParking(lane: Pick<Lane<LaneWork>, 'failingSinceMs'>, nowMs: number, parkAfterMs: number): boolean {
  return lane.failingSinceMs !== null && nowMs - lane.failingSinceMs >= parkAfterMs;
}

/** How many of the waiting stay as probes. */
export function probesOf(lane: Lane<LaneWork>): number {
  return running(lane) > 0 ? 0 : 1;
}

/** A webhook with parked deliveries, as the log knows it. Times are epoch milliseconds. */
export interface ParkedWebhook {
  /** Null when it was deleted. */
  readonly webhook: { readonly isActive: boolean; readonly version: number } | null;
  /** Its failures since its last success; null when there are none. */
  readonly failing: { readonly version: number; readonly lastMs: number } | null;
  /** When deliveries of it were last released; null = never. */
  readonly releasedAtMs: number | null;
  /** Released lately and without an outcome so far. */
  readonly undecided: number;
}

/**
 * How many of its parked deliveries may be released now, by whichever releaser comes first in this second.
 * All, at a limited rate, when it accepted something since it failed, when its owner changed it since, and when it is off:
 * then the workers end them as dead letters with the right reason. One as a probe when nobody has asked it for a while.
 */
export function releasable({ webhook, failing, releasedAtMs, undecided }: ParkedWebhook, nowMs: number): number {
  const isOff = webhook === null || !webhook.isActive;
  if (isOff || failing === null || failing.version < webhook.version) {
    if (releasedAtMs !== null && nowMs - releasedAtMs < RELEASE_PAUSE_MS) return 0;
    return Math.max(0, Math.min(RELEASED_AT_ONCE, MOST_UNDECIDED - undecided));
  }
  return nowMs - Math.max(failing.lastMs, releasedAtMs ?? 0) >= PROBE_EVERY_MS ? 1 : 0;
}
