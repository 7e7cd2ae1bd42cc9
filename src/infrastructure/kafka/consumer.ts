import type { Admin, Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import type { PartitionHandler } from '../../domain/consumer-contract.ts';
import { AppError } from '../../domain/errors.ts';
import type { ConsumedRecord } from '../../domain/record.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createAssigner } from './assigner.ts';
import { Committer, type OffsetCommit } from './committer.ts';
import { PartitionState } from './partition-state.ts';
import { type GroupPosition, outOfRange, readPositions } from './positions.ts';

export interface ConsumerOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** The topics to read; asked again now and then, so that topics made later are read too. */
  readonly topics: () => Promise<readonly string[]>;
  readonly handler: PartitionHandler;
  readonly log: Logger;
  /** Topics whose partitions of the same number must be with one member. */
  readonly colocated?: readonly string[];
  /** Offsets between the watermark and the newest record at which a partition is paused; resumed at half. */
  readonly windowRecords?: number;
  /** Resolved but uncommitted records that make a commit due at once. */
  readonly commitEagerlyAt?: number;
  readonly commitIntervalMs?: number;
  readonly maxBytesPerPartition?: number;
  readonly sessionTimeoutMs?: number;
  readonly topicsRefreshMs?: number;
  readonly onCommitted?: () => void;
  /** The consumer cannot go on without losing records: the process must stop and somebody must look. */
  readonly onFatal: (error: AppError) => void;
}

const DEFAULTS = {
  windowRecords: 10_000,
  commitEagerlyAt: 500,
  commitIntervalMs: 500,
  maxBytesPerPartition: 512 * 1024,
  sessionTimeoutMs: 30_000,
  topicsRefreshMs: 15_000,
};
const MAX_FETCH_BYTES = 5 * 1024 * 1024;
/** Longest wait of a fetch without data: also the longest time until a resumed partition is read when all were paused. */
const MAX_WAIT_MS = 100;
const REBUILD_PAUSE_MS = 1000;
/** A batch from a wrong position can be a left-over of a join; the third in a row means that the client moved the position. */
const MAX_STRAY_BATCHES = 3;

/**
 * A member of a consumer group that reads ahead and commits what is resolved. It hands records over at once (kafkajs
 * fetches nothing while a handler runs) and tracks each partition by itself, because in kafkajs the position falls back
 * to the last commit at every join, `isStale` does not notice a lost partition, and brokers accept commits for
 * partitions that a member does not own. Ownership is taken from `GROUP_JOIN`, with an epoch.
 */
export class TrackedConsumer implements Service {
  readonly name: string;
  private readonly options: ConsumerOptions & typeof DEFAULTS;
  private readonly admin: Admin;
  private readonly committer: Committer;
  private readonly states = new Map<string, PartitionState>();
  private consumer: Consumer | null = null;
  private commitInGeneration: ((commit: OffsetCommit) => Promise<void>) | null = null;
  private subscribed: readonly string[] = [];
  private epoch = 0;
  private refreshTimer: NodeJS.Timeout | null = null;
  private changing: Promise<void> = Promise.resolve();
  private isJoined = false;
  private stopped = true;

  constructor(options: ConsumerOptions) {
    this.options = { ...DEFAULTS, ...options };
    this.name = `consumer ${options.groupId}`;
    this.admin = options.kafka.admin();
    this.committer = new Committer({
      states: () => this.states.values(),
      send: (commit) => this.sendCommit(commit),
      intervalMs: this.options.commitIntervalMs,
      eagerAt: this.options.commitEagerlyAt,
      onCommitted: () => this.options.onCommitted?.(),
      log: this.options.log,
    });
  }

  /** Records that are resolved and whose commit no broker has acknowledged. */
  get uncommitted(): number {
    return this.committer.uncommitted;
  }

  /** The partitions that this member owns now. */
  get partitions(): readonly PartitionState[] {
    return [...this.states.values()];
  }

  /** Joins the group as soon as there is a topic to read. */
  async start(): Promise<void> {
    if (!this.stopped) return;
    this.stopped = false;
    await this.admin.connect();
    this.subscribed = await this.options.topics();
    if (this.subscribed.length > 0) await this.join();
    this.committer.start();
    this.refreshTimer = setInterval(() => this.enqueue(() => this.refreshTopics()), this.options.topicsRefreshMs);
  }

  /** Stops reading at once, so that a process can resolve what it has before it calls `stop`. */
  quiesce(): void {
    for (const state of this.states.values()) state.pause();
  }

  /** Commits what is resolved, then leaves the group: in this order, because kafkajs drops commits once it stops. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    if (this.refreshTimer !== null) clearInterval(this.refreshTimer);
    await this.changing;
    this.quiesce();
    await this.committer.stop();
    for (const state of this.states.values()) this.drop(state);
    this.leaveGeneration();
    await this.consumer?.disconnect();
    this.consumer = null;
    await this.admin.disconnect();
  }

  private enqueue(change: () => Promise<void>): void {
    this.changing = this.changing.then(change).catch((error: unknown) => {
      this.options.log.warn({ error: String(error) }, 'consumer.change_failed');
    });
  }

  private async join(): Promise<void> {
    const consumer = this.createConsumer();
    this.consumer = consumer;
    await consumer.connect();
    await this.run(consumer);
  }

  private createConsumer(): Consumer {
    const { kafka, groupId, sessionTimeoutMs, maxBytesPerPartition, colocated } = this.options;
    const consumer = kafka.consumer({
      groupId,
      partitionAssigners: [createAssigner(colocated ?? [])],
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.floor(sessionTimeoutMs / 10),
      rebalanceTimeout: 2 * sessionTimeoutMs,
      maxBytesPerPartition,
      maxBytes: MAX_FETCH_BYTES,
      maxWaitTimeInMs: MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      // With the default of 5 every member crashes when the coordinator's broker stops; so it costs one rebalance.
      retry: { retries: 60, initialRetryTime: 100, maxRetryTime: 1000 },
    });
    consumer.on(consumer.events.REBALANCING, () => void this.committer.commit());
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.onJoin(consumer, payload.memberAssignment));
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      // Batches of control or aborted records never reach the handler; without this an idle partition shows lag for ever.
      const state = payload.batchSize === 0 ? this.states.get(keyOf(payload)) : undefined;
      if (state?.ready === true) state.receive([], Number(payload.lastOffset));
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      this.options.log.warn({ error: String(payload.error), restart: payload.restart }, 'consumer.crashed');
      this.leaveGeneration();
      if (!payload.restart) this.enqueue(() => this.rebuild());
    });
    return consumer;
  }

  private async run(consumer: Consumer): Promise<void> {
    await consumer.subscribe({ topics: [...this.subscribed], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      partitionsConsumedConcurrently: 64,
      eachBatch: async (payload) => this.onBatch(payload),
    });
  }

  /** kafkajs gives up for good on errors that it holds for final, such as a missing coordinator; we start over. */
  private async rebuild(): Promise<void> {
    if (this.stopped) return;
    await new Promise((resolve) => setTimeout(resolve, REBUILD_PAUSE_MS));
    await this.consumer?.disconnect();
    await this.join();
  }

  private async refreshTopics(): Promise<void> {
    const topics = await this.options.topics();
    const added = topics.filter((topic) => !this.subscribed.includes(topic));
    if (this.stopped || added.length === 0) return;
    this.options.log.info({ topics: added }, 'consumer.topics_added');
    this.subscribed = topics;
    if (this.consumer === null) return this.join();
    await this.committer.commit();
    this.leaveGeneration();
    await this.consumer.stop();
    await this.run(this.consumer);
  }

  /** The synchronous part of an assignment: nothing of a lost partition counts any more, nothing of a new one is read yet. */
  private onJoin(consumer: Consumer, assignment: Readonly<Record<string, number[]>>): void {
    if (consumer !== this.consumer || this.stopped) return;
    this.isJoined = true;
    this.epoch += 1;
    const assigned = new Set<string>();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) {
        const key = keyOf({ topic, partition });
        assigned.add(key);
        if (!this.states.has(key)) this.states.set(key, this.createState(topic, partition));
        this.states.get(key)?.losePosition();
      }
    }
    for (const [key, state] of this.states) if (!assigned.has(key)) this.drop(state);
    void this.takePositions(this.epoch);
  }

  private createState(topic: string, partition: number): PartitionState {
    return new PartitionState({ topic, partition }, this.options.windowRecords, {
      pauseFetch: (t, p) => this.whileJoined((consumer) => consumer.pause([{ topic: t, partitions: [p] }])),
      resumeFetch: (t, p) => this.whileJoined((consumer) => consumer.resume([{ topic: t, partitions: [p] }])),
      seekFetch: (t, p, offset) =>
        this.whileJoined((consumer) => consumer.seek({ topic: t, partition: p, offset: String(offset) })),
      resolved: () => this.committer.noteResolved(),
    });
  }

  /** Between a crash and the next join there is nothing to control; the join sets position and pause anew. */
  private whileJoined(act: (consumer: Consumer) => void): void {
    if (this.isJoined && this.consumer !== null) act(this.consumer);
  }

  private drop(state: PartitionState): void {
    this.states.delete(keyOf(state));
    state.deactivate();
    this.options.handler.onRevoked?.(state);
  }

  /** The asynchronous part: finds out where each partition stands, then lets it be read. Tried until it works or a newer join. */
  private async takePositions(epoch: number): Promise<void> {
    const pending = new Set(this.states.values());
    while (pending.size > 0 && epoch === this.epoch && !this.stopped) {
      try {
        const topics = [...new Set([...pending].map(({ topic }) => topic))];
        const positions = await readPositions(this.admin, this.options.groupId, topics);
        for (const position of positions) await this.position(position, epoch, pending);
      } catch (error) {
        this.options.log.debug({ error: String(error) }, 'consumer.positions_unknown');
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  private async position(position: GroupPosition, epoch: number, pending: Set<PartitionState>): Promise<void> {
    const state = this.states.get(keyOf(position));
    if (state === undefined || !pending.has(state) || epoch !== this.epoch) return;
    if (state.position > 0 && state.ownsCommit(position.offset)) {
      pending.delete(state);
      state.goOn();
      return;
    }
    const fresh = this.replace(state, pending);
    const override = (await this.options.handler.onAssigned?.(fresh)) ?? null;
    const gap = override === null ? outOfRange(position) : outOfRange({ ...position, offset: override });
    if (gap !== null) return this.options.onFatal(new AppError('unavailable', `Offset out of range: ${gap}`));
    if (epoch !== this.epoch || !fresh.isActive) return;
    pending.delete(fresh);
    fresh.begin(override ?? position.offset, override === null ? position.completed : new Set());
  }

  /** A partition that somebody else moved meanwhile is a new one: work of the old state must not count. */
  private replace(state: PartitionState, pending: Set<PartitionState>): PartitionState {
    if (state.position === 0) return state;
    this.drop(state);
    pending.delete(state);
    const fresh = this.createState(state.topic, state.partition);
    this.states.set(keyOf(fresh), fresh);
    pending.add(fresh);
    return fresh;
  }

  private onBatch({ batch, commitOffsetsIfNecessary }: EachBatchPayload): void {
    this.commitInGeneration = commitOffsetsIfNecessary;
    const state = this.states.get(keyOf(batch));
    if (state?.ready !== true) return;
    if (fetchedOffsetOf(batch) !== state.position) return this.onStray(state);
    const fresh = state.receive(
      batch.messages.map(({ offset }) => Number(offset)),
      Number(batch.lastOffset()),
    );
    const records = batch.messages.filter((_, index) => fresh[index]).map((message) => toRecord(batch, message));
    if (records.length > 0) this.options.handler.onRecords(state, records);
  }

  private onStray(state: PartitionState): void {
    if (state.rejectStray() < MAX_STRAY_BATCHES) return;
    const where = `${state.topic}/${state.partition}`;
    this.options.onFatal(new AppError('unavailable', `Offset out of range: ${where} has no record ${state.position}`));
  }

  private leaveGeneration(): void {
    this.isJoined = false;
    this.commitInGeneration = null;
  }

  private async sendCommit(commit: OffsetCommit): Promise<void> {
    // The batch's own function does not retry: a retry could land after a rejoin, an old offset under a valid generation.
    if (this.commitInGeneration !== null) return this.commitInGeneration(commit);
    // kafkajs drops a commit without a word while it is not running.
    if (!this.isJoined) throw new AppError('unavailable', 'Not in the group at the moment');
    const offsets = commit.topics.flatMap(({ topic, partitions }) => partitions.map((part) => ({ topic, ...part })));
    await this.consumer?.commitOffsets(offsets);
  }
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}

/** The offset that a fetch asked for; kafkajs keeps it on the batch without declaring it. */
function fetchedOffsetOf(batch: object): number {
  return 'fetchedOffset' in batch ? Number(batch.fetchedOffset) : -1;
}

function toRecord(
  batch: { topic: string; partition: number },
  message: EachBatchPayload['batch']['messages'][number],
): ConsumedRecord {
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
