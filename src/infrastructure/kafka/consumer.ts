import type { Admin, Consumer, ConsumerGroupJoinEvent, Kafka } from 'kafkajs';
import type { PartitionHandler } from '../../domain/consumer-contract.ts';
import { AppError } from '../../domain/errors.ts';
import type { Service } from '../lifecycle.ts';
import type { ConsumerObserver } from '../telemetry/kafka-metrics.ts';
import type { Logger } from '../telemetry/logger.ts';
import { createAssigner } from './assigner.ts';
import { Committer, type OffsetCommit } from './committer.ts';
import { Ownership } from './ownership.ts';
import type { PartitionState } from './partition-state.ts';
import { Watchdog } from './watchdog.ts';

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
  readonly observer?: ConsumerObserver;
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
/** How long a stop waits for a rebalance to take its last commit. */
const LAST_COMMIT_MS = 5_000;
const LAST_COMMIT_PAUSE_MS = 100;
/** Session timeouts without an answer to a fetch after which the client counts as stuck. */
const SILENT_SESSIONS = 3;
/** Handlers return at once, so this bounds nothing; it must only exceed the partitions that a member can own. */
const CONCURRENT_BATCHES = 64;

type CommitInGeneration = (commit: OffsetCommit) => Promise<void>;

/**
 * A member of a consumer group that reads ahead and commits what is resolved. It hands records over at once (kafkajs
 * fetches nothing while a handler runs) and leaves to `Ownership` which partitions count and where they stand.
 */
export class TrackedConsumer implements Service {
  readonly name: string;
  readonly #options: ConsumerOptions & typeof DEFAULTS;
  readonly #admin: Admin;
  readonly #committer: Committer;
  readonly #ownership: Ownership;
  readonly #watchdog: Watchdog;
  #consumer: Consumer | null = null;
  #commitInGeneration: CommitInGeneration | null = null;
  #subscribed: readonly string[] = [];
  #timers: readonly NodeJS.Timeout[] = [];
  #changing: Promise<void> = Promise.resolve();
  #isJoined = false;
  #isStopped = true;
  /** The last commit of a stop is done: what the group does no longer matters. */
  #isLeaving = false;

  constructor(options: ConsumerOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.name = `consumer ${options.groupId}`;
    this.#admin = options.kafka.admin();
    this.#ownership = new Ownership({
      ...this.#options,
      admin: this.#admin,
      resolved: () => this.#committer.noteResolved(),
      whileJoined: (act) => {
        if (this.#isJoined && this.#consumer !== null) act(this.#consumer);
      },
    });
    this.#watchdog = new Watchdog({
      admin: this.#admin,
      partitions: () => this.#ownership.partitions(),
      silenceMs: SILENT_SESSIONS * this.#options.sessionTimeoutMs,
      now: () => performance.now(),
      onStuck: (where) => {
        options.onFatal(
          new AppError('unavailable', `The Kafka client has stopped reading ${where} although it has records`),
        );
      },
      log: options.log,
    });
    this.#committer = new Committer({
      states: () => this.#ownership.partitions(),
      send: (commit) => this.#sendCommit(commit),
      intervalMs: this.#options.commitIntervalMs,
      eagerAt: this.#options.commitEagerlyAt,
      onCommitted: () => this.#options.onCommitted?.(),
      onRefused: () => this.#options.observer?.commitRefused(),
      log: this.#options.log,
    });
  }

  /** Records that are resolved and whose commit no broker has acknowledged. */
  get uncommitted(): number {
    return this.#committer.uncommitted;
  }

  /** The partitions that this member owns now. */
  get partitions(): readonly PartitionState[] {
    return [...this.#ownership.partitions()];
  }

  /** Joins the group as soon as there is a topic to read. */
  async start(): Promise<void> {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#isLeaving = false;
    await this.#admin.connect();
    this.#subscribed = await this.#options.topics();
    if (this.#subscribed.length > 0) await this.#join();
    this.#committer.start();
    this.#timers = [
      setInterval(() => this.#enqueue(() => this.#refreshTopics()), this.#options.topicsRefreshMs),
      setInterval(() => this.#enqueue(() => this.#watchdog.check()), this.#options.sessionTimeoutMs),
    ];
  }

  /** Stops reading at once, so that a process can resolve what it has before it calls `stop`. */
  quiesce(): void {
    for (const state of this.#ownership.partitions()) state.pause();
  }

  /** Commits what is resolved, then leaves the group: in this order, because kafkajs drops commits once it stops. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#changing;
    this.quiesce();
    await this.#committer.stop();
    await this.#commitTheRest();
    this.#isLeaving = true;
    const released = this.#ownership.release();
    this.#leaveGeneration();
    await this.#consumer?.disconnect();
    this.#consumer = null;
    await released;
    await this.#admin.disconnect();
  }

  /** A rebalance refuses commits until it is over; to leave before would have others repeat what is done. */
  async #commitTheRest(): Promise<void> {
    const giveUpAtMs = performance.now() + LAST_COMMIT_MS;
    while (this.#isJoined && this.#committer.uncommitted > 0 && performance.now() < giveUpAtMs) {
      await new Promise((resolve) => setTimeout(resolve, LAST_COMMIT_PAUSE_MS));
      await this.#committer.commit();
    }
  }

  /** Changes of the client run one after the other. */
  #enqueue(change: () => Promise<void>): void {
    this.#changing = this.#changing.then(change).catch((error: unknown) => {
      this.#options.log.warn({ error: String(error) }, 'consumer.change_failed');
    });
  }

  async #join(): Promise<void> {
    const consumer = this.#createConsumer();
    this.#consumer = consumer;
    this.#follow(consumer);
    await consumer.connect();
    await this.#run(consumer);
  }

  #createConsumer(): Consumer {
    const { kafka, groupId, sessionTimeoutMs, maxBytesPerPartition, colocated, topicsRefreshMs } = this.#options;
    return kafka.consumer({
      groupId,
      partitionAssigners: [createAssigner(colocated ?? [], () => this.partitions)],
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.floor(sessionTimeoutMs / 10),
      rebalanceTimeout: 2 * sessionTimeoutMs,
      maxBytesPerPartition,
      maxBytes: MAX_FETCH_BYTES,
      maxWaitTimeInMs: MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      // Partitions that are added to a topic are noticed when the metadata are read again: after five minutes by default.
      metadataMaxAge: topicsRefreshMs,
      // With the default of 5 every member crashes when the coordinator's broker stops; so it costs one rebalance.
      retry: { retries: 60, initialRetryTime: 100, maxRetryTime: 1000 },
    });
  }

  #follow(consumer: Consumer): void {
    const { events } = consumer;
    consumer.on(events.REBALANCING, () => void this.#committer.commit());
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      if (consumer !== this.#consumer || this.#isLeaving) return;
      this.#isJoined = true;
      this.#watchdog.noteJoin();
      this.#noteJoin(payload);
      this.#ownership.assign(payload.memberAssignment);
      if (this.#isStopped) this.quiesce();
    });
    // kafkajs declares a number here and gives the text of one; metadata, with which it is compared, has numbers.
    consumer.on(events.FETCH, ({ payload }) => this.#watchdog.noteFetch(Number(payload.nodeId)));
    consumer.on(events.END_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize === 0) this.#ownership.noteEmptyBatch(payload);
    });
    consumer.on(events.CRASH, ({ payload }) => {
      this.#options.log.warn({ error: String(payload.error), restart: payload.restart }, 'consumer.crashed');
      this.#options.observer?.crashed();
      this.#leaveGeneration();
      if (!payload.restart) this.#enqueue(() => this.#rebuild());
    });
  }

  #noteJoin({ duration, memberAssignment }: ConsumerGroupJoinEvent['payload']): void {
    const partitions = Object.values(memberAssignment).reduce((sum, { length }) => sum + length, 0);
    this.#options.observer?.joined(duration);
    this.#options.log.info({ groupId: this.#options.groupId, partitions, durationMs: duration }, 'consumer.joined');
  }

  async #run(consumer: Consumer): Promise<void> {
    await consumer.subscribe({ topics: [...this.#subscribed], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      partitionsConsumedConcurrently: CONCURRENT_BATCHES,
      eachBatch: async (payload) => {
        this.#commitInGeneration = (commit) => payload.commitOffsetsIfNecessary(commit);
        this.#ownership.take(payload.batch);
      },
    });
  }

  /** kafkajs gives up for good on errors that it holds for final, such as a missing coordinator; we start over. */
  async #rebuild(): Promise<void> {
    if (this.#isStopped) return;
    await new Promise((resolve) => setTimeout(resolve, REBUILD_PAUSE_MS));
    await this.#consumer?.disconnect();
    await this.#join();
  }

  async #refreshTopics(): Promise<void> {
    const topics = await this.#options.topics();
    const added = topics.filter((topic) => !this.#subscribed.includes(topic));
    if (this.#isStopped || added.length === 0) return;
    this.#options.log.info({ topics: added }, 'consumer.topics_added');
    this.#subscribed = topics;
    if (this.#consumer === null) return this.#join();
    await this.#committer.commit();
    this.#leaveGeneration();
    await this.#consumer.stop();
    await this.#run(this.#consumer);
  }

  #leaveGeneration(): void {
    this.#isJoined = false;
    this.#commitInGeneration = null;
  }

  async #sendCommit(commit: OffsetCommit): Promise<void> {
    // The batch's own function does not retry: a retry could land after a rejoin, an old offset under a valid generation.
    if (this.#commitInGeneration !== null) return this.#commitInGeneration(commit);
    // kafkajs drops a commit without a word while it is not running.
    if (!this.#isJoined) throw new AppError('unavailable', 'Not in the group at the moment');
    const offsets = commit.topics.flatMap(({ topic, partitions }) => partitions.map((part) => ({ topic, ...part })));
    await this.#consumer?.commitOffsets(offsets);
  }
}
