import type { AssignedPartition, PartitionHandler } from '../../domain/consumer-contract.ts';
import { Fifo } from '../../domain/fifo.ts';
import type { Lane } from '../../domain/lane.ts';
import { type LaneLimits, Lanes } from '../../domain/lanes.ts';
import type { ConsumedRecord, OutgoingRecord, PublishRecords } from '../../domain/record.ts';
import type { Service } from '../../infrastructure/lifecycle.ts';
import type { AttemptReport } from './attempt.ts';
import { Intake, type IntakeDependencies } from './intake.ts';
import type { Job } from './job.ts';
import { Outbox } from './outbox.ts';
import { RepeatGuard } from './repeat-guard.ts';
import type { Spill } from './spill.ts';

export interface EngineDependencies extends IntakeDependencies {
  readonly attempt: (job: Job) => Promise<AttemptReport>;
  readonly spill: Spill;
  readonly publish: PublishRecords;
  /** Resolved records whose commit is not acknowledged. */
  readonly uncommitted: () => number;
  /** A record was dropped because what it says is in the log already. */
  readonly onRepeat: () => void;
}

export interface EngineLimits extends LaneLimits {
  /** Nothing new starts while this many resolved records are uncommitted: the bound on repeats after a kill. */
  readonly maxUncommitted: number;
  /** Waiting bodies in memory at which reading pauses. */
  readonly maxQueuedBytes: number;
}

interface RunningAttempt {
  readonly lane: Lane<Job>;
  readonly startedAtMs: number;
  isSlow: boolean;
  isDone: boolean;
}

/** A request older than this leaves the global limit and counts in the slow budget. */
const SLOW_AFTER_MS = 1_000;
const TICK_MS = 100;
const FORGET_EVERY_MS = 60_000;

/**
 * The consumer that never blocks: takes every record at once, lets lanes decide what starts, resolves a record when the
 * broker has what became of it, and sets aside what cannot start in time.
 */
export class DeliveryEngine implements PartitionHandler, Service {
  readonly name = 'delivery engine';
  readonly lanes: Lanes<Job>;
  readonly #deps: EngineDependencies;
  readonly #outbox: Outbox;
  readonly #intake: Intake;
  readonly #limits: EngineLimits;
  readonly #repeats: RepeatGuard;
  readonly #started = new Fifo<RunningAttempt>();
  readonly #paused = new Set<AssignedPartition>();
  readonly #partitions = new Set<AssignedPartition>();
  readonly #unfinished = new Set<Promise<unknown>>();
  #delayed: Job[] = [];
  #queuedBytes = 0;
  /** Attempts that have ended and whose outcome is not yet in the log: a kill repeats them too. */
  #endedCount = 0;
  #forgottenAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #isDraining = false;

  constructor(limits: EngineLimits, deps: EngineDependencies) {
    this.#limits = limits;
    this.#deps = deps;
    this.#outbox = new Outbox(deps);
    this.#intake = new Intake(deps, this.#outbox);
    this.#repeats = new RepeatGuard(deps.onRepeat);
    this.lanes = new Lanes<Job>(limits);
  }

  /** Attempts that run or whose outcome is not yet in the log. */
  get inFlight(): number {
    return this.#unfinished.size;
  }

  /** What waiting bodies take up. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  async start(): Promise<void> {
    this.#isDraining = false;
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  /** Starts nothing more and resolves when every running attempt has its outcome in the log. */
  async stop(): Promise<void> {
    this.#isDraining = true;
    this.#intake.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    while (this.#unfinished.size > 0) await Promise.all(this.#unfinished);
  }

  onRecords(partition: AssignedPartition, records: readonly ConsumedRecord[]): void {
    this.#partitions.add(partition);
    for (const record of records) {
      const job = this.#intake.read(partition, record);
      if (job instanceof Promise) this.#track(this.#takeLater(job));
      else this.#take(job);
    }
    this.#applyBackPressure();
    this.pump();
  }

  onRevoked(partition: AssignedPartition): void {
    this.#partitions.delete(partition);
    this.#paused.delete(partition);
    const isLost = (job: Job) => job.partition === partition;
    const lost = this.#delayed.filter(isLost);
    this.#delayed = this.#delayed.filter((job) => !isLost(job));
    for (const lane of this.lanes.all()) lost.push(...this.lanes.extract(lane, isLost));
    this.#release(lost);
    for (const job of lost) this.#readmit(this.#repeats.abandoned(job));
    this.#repeats.forget(partition);
  }

  /** A changed webhook starts afresh: what its lane has learnt may be out of date. */
  webhooksChanged(ids: readonly string[]): void {
    for (const id of ids) this.lanes.reset(id, this.#deps.now());
    this.pump();
  }

  /** Starts whatever may start: call it when something changed that could let work begin. */
  pump(): void {
    while (!this.#isDraining && this.#deps.uncommitted() + this.#endedCount < this.#limits.maxUncommitted) {
      const next = this.lanes.next(this.#deps.now());
      if (next === null) return;
      this.#release([next.work]);
      this.#track(this.#run(next.lane, next.work));
    }
  }

  #take(job: Job): void {
    if (this.#repeats.admit(job)) this.#queue(job);
  }

  async #takeLater(reading: Promise<Job | null>): Promise<void> {
    const job = await reading;
    if (job?.partition.isActive !== true) return;
    this.#take(job);
    this.pump();
  }

  #queue(job: Job): void {
    this.#queuedBytes += job.bytes;
    if (job.delivery.not_before_ms > job.receivedAtMs) this.#delayed.push(job);
    else this.lanes.add(job.delivery.webhook_id, job, job.receivedAtMs);
  }

  /** Repeats that waited for a job: they are dropped with it, or take its place. */
  #readmit(followers: readonly Job[]): void {
    for (const follower of followers) if (this.#repeats.admit(follower)) this.#queue(follower);
  }

  async #run(lane: Lane<Job>, job: Job): Promise<void> {
    const running: RunningAttempt = { lane, startedAtMs: this.#deps.now(), isSlow: false, isDone: false };
    this.#started.push(running);
    const report = await this.#deps.attempt(job);
    running.isDone = true;
    this.lanes.finished(lane, running.isSlow, report.lane, this.#deps.now());
    this.#endedCount += 1;
    const settling = this.#settle([job], report.records, report.lane.kind === 'succeeded');
    this.pump();
    const isSettled = await settling;
    // The partition's next owner tries again; that this attempt was made is true all the same.
    if (!isSettled && report.entry !== null) await this.#outbox.tell(report.entry);
    this.#endedCount -= 1;
  }

  async #settle(jobs: readonly Job[], records: readonly OutgoingRecord[], isAccepted: boolean): Promise<boolean> {
    const isSettled = await this.#outbox.settle(records, jobs);
    for (const job of jobs) {
      this.#readmit(isSettled ? this.#repeats.settled(job, isAccepted) : this.#repeats.abandoned(job));
    }
    return isSettled;
  }

  #tick(): void {
    const nowMs = this.#deps.now();
    this.#noticeSlow(nowMs);
    this.lanes.tick(nowMs);
    this.#startDelayed(nowMs);
    for (const { jobs, records } of this.#deps.spill.collect(this.lanes, nowMs)) this.#setAside(jobs, records);
    if (nowMs - this.#forgottenAtMs > FORGET_EVERY_MS) {
      this.#forgottenAtMs = nowMs;
      this.lanes.forgetIdle(nowMs);
    }
    this.#applyBackPressure();
    this.pump();
  }

  #noticeSlow(nowMs: number): void {
    for (let oldest = this.#started.peek(); oldest !== undefined; oldest = this.#started.peek()) {
      if (!oldest.isDone && oldest.startedAtMs + SLOW_AFTER_MS > nowMs) return;
      this.#started.shift();
      if (oldest.isDone) continue;
      oldest.isSlow = true;
      this.lanes.becameSlow(oldest.lane);
    }
  }

  #startDelayed(nowMs: number): void {
    if (this.#delayed.length === 0) return;
    const { wait, hop } = this.#deps.spill.sortDelayed(this.#delayed, nowMs);
    for (const job of this.#delayed) {
      if (job.delivery.not_before_ms <= nowMs) this.lanes.add(job.delivery.webhook_id, job, nowMs);
    }
    this.#delayed = wait;
    if (hop.jobs.length > 0) this.#setAside(hop.jobs, hop.records);
  }

  #setAside(jobs: readonly Job[], records: readonly OutgoingRecord[]): void {
    this.#release(jobs);
    this.#track(this.#settle(jobs, records, false));
  }

  #track(work: Promise<unknown>): void {
    this.#unfinished.add(work);
    void work.finally(() => {
      this.#unfinished.delete(work);
      this.pump();
    });
  }

  #release(jobs: readonly Job[]): void {
    for (const job of jobs) this.#queuedBytes -= job.bytes;
  }

  #applyBackPressure(): void {
    if (this.#queuedBytes > this.#limits.maxQueuedBytes) {
      for (const partition of this.#partitions) this.#hold(partition);
    } else if (this.#paused.size > 0 && this.#queuedBytes < this.#limits.maxQueuedBytes / 2) {
      for (const partition of this.#paused) partition.resume();
      this.#paused.clear();
    }
  }

  #hold(partition: AssignedPartition): void {
    if (this.#paused.has(partition)) return;
    this.#paused.add(partition);
    partition.pause();
  }
}
