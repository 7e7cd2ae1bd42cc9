import type { Admin, Batch, Consumer, KafkaMessage } from 'kafkajs';
import type { PartitionHandler } from '../../domain/consumer-contract.ts';
import { AppError } from '../../domain/errors.ts';
import type { ConsumedRecord } from '../../domain/record.ts';
import type { Logger } from '../telemetry/logger.ts';
import { PartitionState } from './partition-state.ts';
import { type GroupPosition, outOfRange, readPositions } from './positions.ts';

export interface OwnershipOptions {
  readonly admin: Admin;
  readonly groupId: string;
  readonly handler: PartitionHandler;
  readonly windowRecords: number;
  readonly log: Logger;
  /** Something was resolved; a commit may be due. */
  readonly resolved: () => void;
  /** Acts on the client while it is in the group; between a crash and the next join there is nothing to control. */
  readonly whileJoined: (act: (consumer: Consumer) => void) => void;
  readonly onFatal: (error: AppError) => void;
}

/** A batch from a wrong position can be a left-over of a join; the third in a row means that the client moved the position. */
const MAX_STRAY_BATCHES = 3;
const RETRY_PAUSE_MS = 200;

/**
 * Which partitions are ours, and where each stands. Taken from `GROUP_JOIN` with an epoch: in kafkajs the position falls
 * back to the last commit at every join, `isStale` does not notice a lost partition, and brokers accept commits for
 * partitions that a member does not own. So a lost partition's state is dead at once, and one that we kept goes on where
 * it was.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #states = new Map<string, PartitionState>();
  readonly #taking = new Set<Promise<void>>();
  #epoch = 0;

  constructor(options: OwnershipOptions) {
    this.#options = options;
  }

  partitions(): Iterable<PartitionState> {
    return this.#states.values();
  }

  /** The synchronous part of an assignment: nothing of a lost partition counts any more, nothing of a new one is read yet. */
  assign(assignment: Readonly<Record<string, number[]>>): void {
    this.#epoch += 1;
    const assigned = new Set<string>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) {
        const key = keyOf({ topic, partition });
        assigned.add(key);
        const state = this.#states.get(key) ?? this.#create(topic, partition);
        state.losePosition();
      }
    }
    for (const [key, state] of this.#states) if (!assigned.has(key)) this.#drop(state);
    const taking = this.#takePositions(this.#epoch).finally(() => this.#taking.delete(taking));
    this.#taking.add(taking);
  }

  /** Hands the new records of a fetch over. */
  take(batch: Batch): void {
    const state = this.#states.get(keyOf(batch));
    if (state?.ready !== true) return;
    if (fetchedOffsetOf(batch) !== state.position) return this.#refuse(state);
    state.noteTimes(batch.messages);
    const fresh = state.receive(
      batch.messages.map(({ offset }) => Number(offset)),
      Number(batch.lastOffset()),
    );
    const records = batch.messages.filter((_, index) => fresh[index]).map((message) => toRecord(batch, message));
    if (records.length > 0) this.#options.handler.onRecords(state, records);
  }

  /** Batches of control or aborted records never reach a handler; without this an idle partition shows lag for ever. */
  noteEmptyBatch(batch: { topic: string; partition: number; lastOffset: string }): void {
    const state = this.#states.get(keyOf(batch));
    if (state?.ready === true) state.receive([], Number(batch.lastOffset));
  }

  /**
   * Gives everything up at once; resolves when nothing asks the brokers any more: a request that outlives the
   * disconnect of its client opens a new connection, which nobody closes.
   */
  async release(): Promise<void> {
    this.#epoch += 1;
    for (const state of this.#states.values()) this.#drop(state);
    await Promise.all(this.#taking);
  }

  #create(topic: string, partition: number): PartitionState {
    const { windowRecords, whileJoined, resolved } = this.#options;
    const place = { topic, partitions: [partition] };
    const state = new PartitionState({ topic, partition }, windowRecords, {
      pauseFetch: () => whileJoined((consumer) => consumer.pause([place])),
      resumeFetch: () => whileJoined((consumer) => consumer.resume([place])),
      seekFetch: (offset) => whileJoined((consumer) => consumer.seek({ topic, partition, offset: String(offset) })),
      resolved,
    });
    this.#states.set(keyOf(state), state);
    return state;
  }

  #drop(state: PartitionState): void {
    this.#states.delete(keyOf(state));
    state.deactivate();
    this.#options.handler.onRevoked?.(state);
  }

  /** The asynchronous part: finds out where each partition stands, then lets it be read. Tried until it works or a newer join. */
  async #takePositions(epoch: number): Promise<void> {
    const pending = new Set(this.#states.values());
    while (pending.size > 0 && epoch === this.#epoch) {
      try {
        const topics = [...new Set([...pending].map(({ topic }) => topic))];
        const positions = await readPositions(this.#options.admin, this.#options.groupId, topics);
        for (const position of positions) await this.#takePosition(position, epoch, pending);
      } catch (error) {
        this.#options.log.debug({ error: String(error) }, 'consumer.positions_unknown');
        await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
      }
    }
  }

  async #takePosition(position: GroupPosition, epoch: number, pending: Set<PartitionState>): Promise<void> {
    const state = this.#states.get(keyOf(position));
    if (state === undefined || !pending.has(state) || epoch !== this.#epoch) return;
    if (state.hasBegun && state.ownsCommit(position.offset, position.completed)) {
      pending.delete(state);
      state.goOn();
      return;
    }
    const fresh = this.#renew(state, pending);
    const override = (await this.#options.handler.onAssigned?.(fresh)) ?? null;
    const gap = outOfRange(override === null ? position : { ...position, offset: override });
    if (epoch !== this.#epoch || !fresh.isActive) return;
    pending.delete(fresh);
    if (gap !== null) return this.#options.onFatal(new AppError('unavailable', `Offset out of range: ${gap}`));
    fresh.begin(override ?? position.offset, override === null ? position.completed : new Set());
  }

  /** A partition that somebody else moved meanwhile is a new one: work of the old state must not count. */
  #renew(state: PartitionState, pending: Set<PartitionState>): PartitionState {
    if (!state.hasBegun) return state;
    this.#drop(state);
    pending.delete(state);
    const fresh = this.#create(state.topic, state.partition);
    pending.add(fresh);
    return fresh;
  }

  #refuse(state: PartitionState): void {
    if (state.rejectStray() < MAX_STRAY_BATCHES) return;
    const where = `${state.topic}/${state.partition}`;
    this.#options.onFatal(new AppError('unavailable', `Offset out of range: ${where} has no record ${state.position}`));
  }
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}

/** The offset that a fetch asked for; kafkajs keeps it on the batch without declaring it. */
function fetchedOffsetOf(batch: object): number {
  return 'fetchedOffset' in batch ? Number(batch.fetchedOffset) : -1;
}

function toRecord(batch: Batch, message: KafkaMessage): ConsumedRecord {
  return {
    topic: batch.topic,
    partition: batch.partition,
    offset: Number(message.offset),
    timestampMs: Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: message.headers ?? {},
  };
}
