import { hopTowards, partitionDelayMs, type RetrySchedule, type Tier } from './retry-schedule.ts';

/** A delivery that cannot start now. */
export interface Waiting {
  /** How often this attempt was set aside before. */
  readonly rewrites: number;
  /** For how long this attempt has been waiting already. */
  readonly waitedMs: number;
  /** For how long its webhook cannot be sent to, as far as is known; 0 = it may be its turn any moment. */
  readonly pauseMs: number;
}

/** A retry topic; `partition` null lets chance choose, which is the jitter. */
export interface TierPlace {
  readonly tier: Tier;
  readonly partition: number | null;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** What was set aside five times waits for a day each time: so at most six rewrites fall into any one day. */
const REWRITES_BEFORE_DAYS = 5;
/** The shortest wait of the first, second, … rewrite: steps so long that slow receivers rarely come to the days. */
const LEAST_WAITS_MS = [0, MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS, 360 * MINUTE_MS];

/**
 * Where a delivery waits that cannot start: null is `overflow`, from which it comes back at once; else a tier longer than
 * it has waited already.
 */
export function placeToWait(schedule: RetrySchedule, waiting: Waiting, partitions: number): TierPlace | null {
  const { rewrites, waitedMs, pauseMs } = waiting;
  if (rewrites >= REWRITES_BEFORE_DAYS) return placeCovering(schedule, DAY_MS, partitions);
  if (rewrites === 0) return pauseMs > 0 ? placeCovering(schedule, pauseMs, partitions) : null;
  const leastMs = Math.max(LEAST_WAITS_MS[rewrites] ?? 0, waitedMs + 1);
  if (pauseMs > leastMs) return placeCovering(schedule, pauseMs, partitions);
  const tier = schedule.tiers.find(({ delayMs }) => delayMs >= leastMs) ?? schedule.tiers.at(-1);
  return tier === undefined ? null : { tier, partition: null };
}

/**
 * Where a delivery waits whose receiver asked for a time that lies `remainingMs` ahead: hops through the largest tier
 * that fits, the last of those that are left to it in one that is rather too long. Never too short.
 */
export function placeTowards(
  schedule: RetrySchedule,
  { rewrites, remainingMs }: { rewrites: number; remainingMs: number },
  partitions: number,
): TierPlace | null {
  const isLastHop = rewrites >= REWRITES_BEFORE_DAYS - 1;
  const hop = isLastHop ? null : hopTowards(schedule, remainingMs, partitions);
  return hop ?? placeCovering(schedule, remainingMs, partitions);
}

/** The shortest wait of at least `leastMs` that the schedule has, or its longest; null when it has no tiers. */
function placeCovering(schedule: RetrySchedule, leastMs: number, partitions: number): TierPlace | null {
  for (const tier of schedule.tiers) {
    for (let partition = 0; partition < partitions; partition++) {
      const waitMs = partitionDelayMs(tier.delayMs, schedule.jitter, partition, partitions);
      if (waitMs >= leastMs) return { tier, partition };
    }
  }
  const tier = schedule.tiers.at(-1);
  return tier === undefined ? null : { tier, partition: partitions - 1 };
}
