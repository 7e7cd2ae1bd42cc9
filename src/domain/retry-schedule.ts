/** One retry delay of the schedule; its records wait in the topic `deliveries.retry.<name>`. */
export interface Tier {
  /** As written in the schedule, e.g. `5m`: part of the topic's name. */
  readonly name: string;
  readonly delayMs: number;
}

/** When failed attempts are repeated. */
export interface RetrySchedule {
  /** The delay after the first, second, … failed attempt; one more attempt than delays. */
  readonly delays: readonly Tier[];
  /** The distinct delays, shortest first. */
  readonly tiers: readonly Tier[];
  /** Share of the delay by which partitions of a tier differ from it, 0 to 0.5. */
  readonly jitter: number;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads a delay such as `5s`, `30m`, `2h`; null when it is not one. */
export function parseDelayMs(text: string): number | null {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  if (match === null) return null;
  return Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
}

/** Builds the schedule from delays in order; null when one of them is not a delay. */
export function createRetrySchedule(names: readonly string[], jitter: number): RetrySchedule | null {
  const delays: Tier[] = [];
  for (const name of names) {
    const delayMs = parseDelayMs(name);
    if (delayMs === null) return null;
    delays.push({ name, delayMs });
  }
  const distinct = new Map(delays.map((tier) => [tier.delayMs, tier]));
  return { delays, tiers: [...distinct.values()].toSorted((a, b) => a.delayMs - b.delayMs), jitter };
}

/** The tier after the failed attempt number `attempt` (from 1), or null when it was the last. */
export function tierAfter(schedule: RetrySchedule, attempt: number): Tier | null {
  return schedule.delays[attempt - 1] ?? null;
}

/**
 * How long records in partition `partition` of `partitions` wait: delay × (1 − jitter + 2·jitter·i/(n−1)).
 * All records of one partition wait equally long, so the oldest is always the next that is due.
 */
export function partitionDelayMs(delayMs: number, jitter: number, partition: number, partitions: number): number {
  const position = partitions > 1 ? partition / (partitions - 1) : 0.5;
  return Math.round(delayMs * (1 - jitter + 2 * jitter * position));
}

/**
 * The tier and partition with the longest wait that ends within `remainingMs`: one hop towards a target time that the
 * receiver asked for. Null when even the shortest would be late: the rest is waited for in memory.
 */
export function hopTowards(
  schedule: RetrySchedule,
  remainingMs: number,
  partitions: number,
): { tier: Tier; partition: number } | null {
  for (const tier of schedule.tiers.toReversed()) {
    for (let partition = partitions - 1; partition >= 0; partition--) {
      if (partitionDelayMs(tier.delayMs, schedule.jitter, partition, partitions) <= remainingMs) {
        return { tier, partition };
      }
    }
  }
  return null;
}
