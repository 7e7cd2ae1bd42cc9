import type { Lane } from '../../domain/lane.ts';
import type { Lanes } from '../../domain/lanes.ts';
import { isParking, probesOf } from '../../domain/parking.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import type { RetrySchedule } from '../../domain/retry-schedule.ts';
import { placeToWait, placeTowards, type TierPlace } from '../../domain/setting-aside.ts';
import { type Job, waitingSinceMs } from './job.ts';
import type { OutcomeRecords, SettingAside } from './outcome-records.ts';

export interface SpillOptions {
  readonly records: OutcomeRecords;
  readonly schedule: RetrySchedule;
  readonly retryPartitions: (tier: string) => number;
  /** Waiting jobs of all lanes from which on lanes that do not keep up give work away early. */
  readonly crowdedAt: number;
  /** For how long a webhook must have done nothing but fail until what waits for it is parked. */
  readonly parkAfterMs: number;
  /** Whether the log takes parked deliveries now, as far as is known. */
  readonly mayPark: () => boolean;
  readonly onSetAside: (reason: SpillReason, target: SettingAside['kind'] | 'parked', count: number) => void;
}

/**
 * Why work leaves the memory. held: its webhook pauses for longer than memory may wait. crowded: too much waits, and its
 * lane does not keep up. waited: it could not start in time. not_due: its receiver asked for a time far away. failing: its
 * webhook has failed for so long that it is parked.
 */
export type SpillReason = 'held' | 'crowded' | 'waited' | 'not_due' | 'failing';

/** Jobs to set aside and the records that take their place. */
export interface SpillBatch {
  readonly jobs: readonly Job[];
  readonly records: readonly OutgoingRecord[];
}

interface Taken {
  readonly reason: SpillReason;
  readonly jobs: readonly Job[];
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
      const taken = this.#takeFrom(lanes, lane, { isCrowded, nowMs });
      if (taken !== null && taken.jobs.length > 0) batches.push(this.#batch(taken, nowMs, lane.heldUntilMs));
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
    const records = jobs.flatMap((job) => this.#setAside(job, 'not_due', this.#towards(job, nowMs), nowMs));
    return { wait, hop: { jobs, records } };
  }

  #takeFrom(
    lanes: Lanes<Job>,
    lane: Lane<Job>,
    { isCrowded, nowMs }: { isCrowded: boolean; nowMs: number },
  ): Taken | null {
    const oldest = lane.queue.peek();
    if (oldest === undefined) return null;
    if (isParking(lane, nowMs, this.#options.parkAfterMs) && this.#options.mayPark()) {
      return { reason: 'failing', jobs: this.#allButProbe(lanes, lane, nowMs) };
    }
    if (lane.heldUntilMs - nowMs > LONGEST_HOLD_MS) return { reason: 'held', jobs: lanes.extract(lane, () => true) };
    if (isCrowded && nowMs - oldest.receivedAtMs > CROWDED_WAIT_MS) {
      let kept = 0;
      return { reason: 'crowded', jobs: lanes.extract(lane, () => kept++ >= KEPT_WHEN_CROWDED) };
    }
    if (nowMs - oldest.receivedAtMs <= LONGEST_WAIT_MS) return null;
    return { reason: 'waited', jobs: lanes.extract(lane, (job) => nowMs - job.receivedAtMs > LONGEST_WAIT_MS) };
  }

  #allButProbe(lanes: Lanes<Job>, lane: Lane<Job>, nowMs: number): Job[] {
    let probes = lane.heldUntilMs - nowMs > LONGEST_HOLD_MS ? 0 : probesOf(lane);
    return lanes.extract(lane, (job) => probes-- <= 0 || nowMs - job.receivedAtMs > LONGEST_WAIT_MS);
  }

  #batch({ jobs, reason }: Taken, nowMs: number, heldUntilMs: number): SpillBatch {
    if (reason === 'failing') {
      this.#options.onSetAside(reason, 'parked', jobs.length);
      return { jobs, records: jobs.flatMap((job) => this.#options.records.ofParking(job, nowMs)) };
    }
    const records = jobs.flatMap((job) => this.#setAside(job, reason, this.#toWait(job, heldUntilMs, nowMs), nowMs));
    return { jobs, records };
  }

  #setAside(job: Job, reason: SpillReason, place: TierPlace | null, nowMs: number): OutgoingRecord[] {
    const since = waitingSinceMs(job);
    const target: SettingAside =
      place === null ? { kind: 'overflow', waitingSinceMs: since } : { kind: 'tier', ...place, waitingSinceMs: since };
    this.#options.onSetAside(reason, target.kind, 1);
    return this.#options.records.ofSettingAside(job, target, nowMs);
  }

  #towards({ delivery }: Job, nowMs: number): TierPlace | null {
    const { rewrites, not_before_ms: notBeforeMs } = delivery;
    return placeTowards(this.#options.schedule, { rewrites, remainingMs: notBeforeMs - nowMs }, this.#partitions);
  }

  /** A short pause is waited for like a free slot. */
  #toWait(job: Job, heldUntilMs: number, nowMs: number): TierPlace | null {
    const pauseMs = heldUntilMs - nowMs > LONGEST_HOLD_MS ? heldUntilMs - nowMs : 0;
    const waiting = { rewrites: job.delivery.rewrites, waitedMs: nowMs - waitingSinceMs(job), pauseMs };
    return placeToWait(this.#options.schedule, waiting, this.#partitions);
  }

  get #partitions(): number {
    return this.#options.retryPartitions(this.#options.schedule.tiers[0]?.name ?? '');
  }
}
