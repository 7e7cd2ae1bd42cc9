import type { Lane } from '../../domain/lane.ts';
import { type Lanes } from '../../domain/lanes.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import { hopTowards, type RetrySchedule, tierForWaiting } from '../../domain/retry-schedule.ts';
import { type Job, waitingSinceMs } from './job.ts';
import type { OutcomeRecords, SettingAside } from './outcome-records.ts';

export interface SpillOptions {
  readonly records: OutcomeRecords;
  readonly schedule: RetrySchedule;
  readonly retryPartitions: (tier: string) => number;
  /** Waiting jobs of all lanes from which on lanes that do not keep up give work away early. */
  readonly crowdedAt: number;
}

/** Jobs to set aside and the records that take their place. */
export interface SpillBatch {
  readonly jobs: readonly Job[];
  readonly records: readonly OutgoingRecord[];
}

/** No record may stay unresolved longer than the request timeout plus this; what has waited that long cannot start. */
const LONGEST_WAIT_MS = 30_000;
/** When it is crowded, a lane whose oldest job has waited this long gives up all but a few. */
const CROWDED_WAIT_MS = 2_000;
const KEPT_WHEN_CROWDED = 20;
/** A pause longer than this is spent in a topic, not in memory. */
const LONGEST_HOLD_MS = 30_000;
const COLLECT_EVERY_MS = 500;

/** Decides which waiting work leaves the memory, and where it goes: the watermark must move whatever receivers do. */
export class Spill {
  readonly #options: SpillOptions;
  #collectedAtMs = 0;

  constructor(options: SpillOptions) {
    this.#options = options;
  }

  /** Takes out of the lanes what has to go now. */
  collect(lanes: Lanes<Job>, nowMs: number): SpillBatch[] {
    if (nowMs - this.#collectedAtMs < COLLECT_EVERY_MS || lanes.queued === 0) return [];
    this.#collectedAtMs = nowMs;
    const isCrowded = lanes.queued > this.#options.crowdedAt;
    const batches: SpillBatch[] = [];
    for (const lane of lanes.all()) {
      const jobs = this.#takeFrom(lanes, lane, { isCrowded, nowMs });
      if (jobs.length > 0) batches.push(this.#batch(jobs, nowMs, lane.heldUntilMs));
    }
    return batches;
  }

  /** Splits jobs whose receiver asked for a later time: near ones wait in memory, far ones hop through a tier. */
  sortDelayed(delayed: readonly Job[], nowMs: number): { wait: Job[]; hop: SpillBatch } {
    const wait: Job[] = [];
    const jobs: Job[] = [];
    for (const job of delayed) {
      const remainingMs = job.delivery.not_before_ms - nowMs;
      if (remainingMs > LONGEST_HOLD_MS) jobs.push(job);
      else if (remainingMs > 0) wait.push(job);
    }
    const records = jobs.flatMap((job) => this.#setAside(job, job.delivery.not_before_ms, nowMs));
    return { wait, hop: { jobs, records } };
  }

  #takeFrom(lanes: Lanes<Job>, lane: Lane<Job>, { isCrowded, nowMs }: { isCrowded: boolean; nowMs: number }): Job[] {
    const oldest = lane.queue.peek();
    if (oldest === undefined) return [];
    if (lane.heldUntilMs - nowMs > LONGEST_HOLD_MS) return lanes.extract(lane, () => true);
    if (isCrowded && nowMs - oldest.receivedAtMs > CROWDED_WAIT_MS) {
      let kept = 0;
      return lanes.extract(lane, () => kept++ >= KEPT_WHEN_CROWDED);
    }
    if (nowMs - oldest.receivedAtMs <= LONGEST_WAIT_MS) return [];
    return lanes.extract(lane, (job) => nowMs - job.receivedAtMs > LONGEST_WAIT_MS);
  }

  #batch(jobs: readonly Job[], nowMs: number, heldUntilMs: number): SpillBatch {
    return { jobs, records: jobs.flatMap((job) => this.#setAside(job, heldUntilMs, nowMs)) };
  }

  #setAside(job: Job, untilMs: number, nowMs: number): OutgoingRecord[] {
    return this.#options.records.ofSettingAside(job, this.#targetOf(job, untilMs, nowMs), nowMs);
  }

  /** A known pause leads to the tier that fits it; else first to overflow, then down the tiers by the time waited. */
  #targetOf(job: Job, untilMs: number, nowMs: number): SettingAside {
    const since = waitingSinceMs(job);
    const { schedule } = this.#options;
    if (untilMs - nowMs > LONGEST_HOLD_MS) {
      const partitions = this.#options.retryPartitions(schedule.tiers[0]?.name ?? '');
      const hop = hopTowards(schedule, untilMs - nowMs, partitions);
      if (hop !== null) return { kind: 'tier', ...hop, waitingSinceMs: since };
    }
    const tier = job.delivery.rewrites === 0 ? null : tierForWaiting(schedule, nowMs - since);
    return tier === null
      ? { kind: 'overflow', waitingSinceMs: since }
      : { kind: 'tier', tier, partition: null, waitingSinceMs: since };
  }
}
