import type { AttemptOutcome } from './outcome.ts';
import { hopTowards, type RetrySchedule, type Tier, tierAfter } from './retry-schedule.ts';

/** What becomes of a delivery after an attempt. */
export type Decision =
  | { readonly kind: 'accepted' }
  | {
      readonly kind: 'retry';
      readonly tier: Tier;
      /** Null lets chance choose, which is the jitter; set when a receiver asked for a time. */
      readonly partition: number | null;
      /** The time the receiver asked for, epoch milliseconds; 0 when it did not. */
      readonly notBeforeMs: number;
    }
  | { readonly kind: 'dead'; readonly reason: string };

/** A receiver may ask for no more than this. */
const LONGEST_RETRY_AFTER_MS = 86_400_000;

/**
 * Decides over a delivery after attempt number `attempt` (from 1).
 * A Retry-After is clamped to [the schedule's delay, 24 h] and approached through the tiers.
 */
export function decideNext(
  outcome: AttemptOutcome,
  attempt: number,
  schedule: RetrySchedule,
  { nowMs, partitions }: { nowMs: number; partitions: number },
): Decision {
  if (outcome.kind === 'succeeded') return { kind: 'accepted' };
  if (outcome.kind === 'gone') return { kind: 'dead', reason: 'webhook_gone' };
  const tier = tierAfter(schedule, attempt);
  if (tier === null) return { kind: 'dead', reason: 'attempts_exhausted' };
  const askedMs = outcome.kind === 'throttled' ? outcome.retryAfterMs : null;
  if (askedMs === null || askedMs <= tier.delayMs) return { kind: 'retry', tier, partition: null, notBeforeMs: 0 };
  const waitMs = Math.min(askedMs, LONGEST_RETRY_AFTER_MS);
  const hop = hopTowards(schedule, waitMs, partitions) ?? { tier, partition: null };
  return { kind: 'retry', ...hop, notBeforeMs: nowMs + waitMs };
}
