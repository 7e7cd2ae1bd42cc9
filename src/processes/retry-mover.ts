import type { AssignedPartition, PartitionHandler } from '../domain/consumer-contract.ts';
import { Fifo } from '../domain/fifo.ts';
import type { ConsumedRecord, PublishRecords } from '../domain/record.ts';
import { parseDelayMs, partitionDelayMs } from '../domain/retry-schedule.ts';
import type { Service } from '../infrastructure/lifecycle.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';

export interface RetryMoverDependencies {
  readonly publish: PublishRecords;
  /** How many partitions a topic has. */
  readonly partitionCount: (topic: string) => Promise<number>;
  readonly topics: { readonly ready: string; readonly retryPrefix: string };
  readonly jitter: number;
  readonly log: Logger;
  readonly now: () => number;
}

interface WaitingPartition {
  readonly partition: AssignedPartition;
  readonly records: Fifo<ConsumedRecord>;
  readonly waitMs: number;
  isMoving: boolean;
}

const TICK_MS = 100;
const MOST_AT_ONCE = 500;

/**
 * Holds retries until they are due, then moves them to `deliveries.ready`. All records of one partition wait equally
 * long, so only the oldest needs a look; what was read and is not due stays in memory while its partition is paused,
 * which is at most one fetch per partition.
 */
export class RetryMover implements PartitionHandler, Service {
  readonly name = 'retry mover';
  readonly #deps: RetryMoverDependencies;
  readonly #waiting = new Map<AssignedPartition, WaitingPartition>();
  readonly #waitMs = new Map<string, number>();
  readonly #moving = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;

  constructor(deps: RetryMoverDependencies) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#moveDue(), TICK_MS);
  }

  /** Resolves when what was being moved is in the log; what waits stays in its topic. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await Promise.all(this.#moving);
  }

  /** For how long the first record of each topic has been due, milliseconds; 0 while none of it is. */
  overdueMs(): ReadonlyMap<string, number> {
    const overdue = new Map<string, number>();
    for (const { partition, records, waitMs } of this.#waiting.values()) {
      const head = records.peek();
      const ms = head === undefined ? 0 : Math.max(0, this.#deps.now() - head.timestampMs - waitMs);
      overdue.set(partition.topic, Math.max(ms, overdue.get(partition.topic) ?? 0));
    }
    return overdue;
  }

  async onAssigned({ topic, partition }: AssignedPartition): Promise<null> {
    const delayMs = parseDelayMs(topic.slice(this.#deps.topics.retryPrefix.length));
    const partitions = await this.#deps.partitionCount(topic);
    const waitMs = delayMs === null ? 0 : partitionDelayMs(delayMs, this.#deps.jitter, partition, partitions);
    this.#waitMs.set(`${topic}/${partition}`, waitMs);
    return null;
  }

  onRevoked(partition: AssignedPartition): void {
    this.#waiting.delete(partition);
  }

  onRecords(partition: AssignedPartition, records: readonly ConsumedRecord[]): void {
    const waitMs = this.#waitMs.get(`${partition.topic}/${partition.partition}`) ?? 0;
    const waiting = this.#waiting.get(partition) ?? { partition, records: new Fifo(), waitMs, isMoving: false };
    this.#waiting.set(partition, waiting);
    for (const record of records) waiting.records.push(record);
    partition.pause();
    this.#moveDueOf(waiting);
  }

  #moveDue(): void {
    for (const waiting of this.#waiting.values()) this.#moveDueOf(waiting);
  }

  #moveDueOf(waiting: WaitingPartition): void {
    if (waiting.isMoving) return;
    const due = this.#takeDue(waiting);
    if (due.length === 0) return;
    waiting.isMoving = true;
    const move = this.#move(waiting, due).finally(() => this.#moving.delete(move));
    this.#moving.add(move);
  }

  #takeDue({ records, waitMs }: WaitingPartition): ConsumedRecord[] {
    const due: ConsumedRecord[] = [];
    const nowMs = this.#deps.now();
    while (due.length < MOST_AT_ONCE) {
      const head = records.peek();
      if (head === undefined || head.timestampMs + waitMs > nowMs) break;
      due.push(head);
      records.shift();
    }
    return due;
  }

  async #move(waiting: WaitingPartition, due: readonly ConsumedRecord[]): Promise<void> {
    const { partition } = waiting;
    const ready = due.map(({ key, value }) => ({ topic: this.#deps.topics.ready, key, value }));
    while (partition.isActive) {
      try {
        await this.#deps.publish(ready);
        partition.resolveThrough(due.at(-1)?.offset ?? -1);
        break;
      } catch (error) {
        this.#deps.log.warn({ error: String(error), records: ready.length }, 'retry.waits_for_kafka');
        if (this.#timer === null) return;
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
    }
    waiting.isMoving = false;
    if (waiting.records.length === 0) {
      this.#waiting.delete(partition);
      partition.resume();
    } else if (this.#timer !== null) {
      this.#moveDueOf(waiting);
    }
  }
}
