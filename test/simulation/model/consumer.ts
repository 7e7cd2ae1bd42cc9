import { EventEmitter } from 'node:events';
import { AssignerProtocol, type PartitionAssigner } from 'kafkajs';
import { type BatchPayload, type CommitPayload, type Place, placesOf, toMessage } from './batch.ts';
import { type Client, type Cluster, kafkaError, request, wayMs } from './cluster.ts';
import type { Assignment, Committed, Group, GroupMember } from './group.ts';
import { type LogEntry, placeOf } from './log.ts';

export interface ModelConsumerConfig {
  readonly groupId: string;
  readonly sessionTimeout: number;
  readonly partitionAssigners: readonly PartitionAssigner[];
}

interface Reading extends Place {
  /** Where the next fetch starts. */
  position: number;
  isFetching: boolean;
}

/** Entries that one fetch brings. */
const BATCH_SIZES = [1, 3, 500, 500, 500];

/**
 * The consumer of kafkajs as far as we use it, with its ways: at every join positions fall back to the last commit;
 * pauses outlive a join and not a crash; a fetch that was under way may arrive after a seek; batches without a record
 * for us show up as an event only.
 */
export class ModelConsumer implements GroupMember {
  readonly events = {
    GROUP_JOIN: 'group_join',
    REBALANCING: 'rebalancing',
    CRASH: 'crash',
    FETCH: 'fetch',
    END_BATCH_PROCESS: 'end_batch_process',
  };
  readonly owner: Client;
  readonly sessionTimeoutMs: number;
  readonly #cluster: Cluster;
  readonly #config: ModelConsumerConfig;
  readonly #clientId: string;
  readonly #group: Group;
  readonly #emitter = new EventEmitter();
  readonly #paused = new Set<string>();
  #readings = new Map<string, Reading>();
  #eachBatch: ((payload: BatchPayload) => Promise<void>) | null = null;
  #topics: readonly string[] = [];
  #memberId: string | null = null;
  #generation = 0;
  #isRunning = false;
  #isReading = false;
  #isJoining = false;

  constructor(cluster: Cluster, client: Client, { clientId, ...config }: ModelConsumerConfig & { clientId: string }) {
    this.#cluster = cluster;
    this.owner = client;
    this.#config = config;
    this.#clientId = clientId;
    this.sessionTimeoutMs = config.sessionTimeout;
    this.#group = cluster.group(config.groupId);
    cluster.log.onAppend((entry) => this.#appended(entry));
  }

  get groupId(): string {
    return this.#config.groupId;
  }

  get subscription(): Buffer {
    return this.#assigner.protocol({ topics: [...this.#topics] }).metadata;
  }

  get #assigner() {
    const [create] = this.#config.partitionAssigners;
    if (create === undefined) throw new Error('no assigner');
    const cluster = {
      findTopicPartitionMetadata: (topic: string) =>
        this.#cluster.log.partitions(topic).map((_, partitionId) => ({ partitionId })),
    };
    return create({ cluster, groupId: this.groupId, logger: null } as unknown as Parameters<PartitionAssigner>[0]);
  }

  on(event: string, listener: (event: { payload: never }) => void): void {
    this.#emitter.on(event, listener);
  }

  async connect(): Promise<void> {
    if (!this.owner.isAlive) return new Promise(() => {});
  }

  async subscribe({ topics }: { topics: readonly string[] }): Promise<void> {
    this.#topics = topics;
  }

  async run({ eachBatch }: { eachBatch: (payload: BatchPayload) => Promise<void> }): Promise<void> {
    this.#eachBatch = eachBatch;
    this.#isRunning = true;
    this.#paused.clear();
    this.#join();
  }

  async stop(): Promise<void> {
    if (!this.#isRunning || !this.owner.isAlive) return;
    this.#isRunning = false;
    this.#isReading = false;
    const memberId = this.#memberId;
    this.#memberId = null;
    if (memberId !== null) await request(this.#cluster, this.owner, () => this.#group.leave(memberId));
  }

  disconnect(): Promise<void> {
    return this.stop();
  }

  pause(places: readonly { topic: string; partitions: readonly number[] }[]): void {
    for (const place of placesOf(places)) this.#paused.add(placeOf(place));
  }

  resume(places: readonly { topic: string; partitions: readonly number[] }[]): void {
    for (const place of placesOf(places)) {
      this.#paused.delete(placeOf(place));
      this.#poll(this.#readings.get(placeOf(place)));
    }
  }

  seek({ topic, partition, offset }: Place & { offset: string }): void {
    const reading = this.#readings.get(placeOf({ topic, partition }));
    if (reading === undefined) return;
    reading.position = Number(offset);
    this.#poll(reading);
  }

  async commitOffsets(offsets: readonly (Place & { offset: string; metadata: string | null })[]): Promise<void> {
    if (!this.#isRunning) return;
    await this.#commit({
      topics: offsets.map(({ topic, ...partition }) => ({ topic, partitions: [partition] })),
    });
  }

  async assign(members: { memberId: string; memberMetadata: Buffer }[]): Promise<Map<string, Assignment>> {
    const given = await this.#assigner.assign({ members, topics: [...this.#topics] });
    return new Map(
      given.map(({ memberId, memberAssignment }) => [
        memberId,
        AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment ?? {},
      ]),
    );
  }

  /** Rejoins on its own, as after a change of leaders. */
  rejoin(): void {
    if (this.#isRunning) this.onRebalance();
  }

  onRebalance(): void {
    if (this.#isReading) this.#joinAgain();
  }

  onExpelled(): void {
    this.#memberId = null;
    this.#joinAgain();
  }

  onJoined(generation: number, assignment: Assignment): void {
    if (!this.#isRunning) return;
    this.#generation = generation;
    this.#isReading = true;
    const before = this.#readings;
    this.#readings = new Map();
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) {
        const place = placeOf({ topic, partition });
        const reading = before.get(place) ?? { topic, partition, position: 0, isFetching: false };
        reading.position = this.#group.offsets.get(place)?.offset ?? 0;
        this.#readings.set(place, reading);
      }
    }
    this.#cluster.disturb();
    this.#emit('GROUP_JOIN', { memberAssignment: assignment });
    for (const reading of this.#readings.values()) this.#poll(reading);
  }

  /** An error that the client cannot get over: it leaves the group, and starts again by itself or does not. */
  async crash(restarts: boolean): Promise<void> {
    if (!this.#isRunning) return;
    await this.stop();
    this.#emit('CRASH', { error: new Error('crash of the scenario'), restart: restarts });
    const { time } = this.#cluster;
    if (!restarts) return;
    time.schedule(
      this.owner.random.between(200, 2_000),
      () => {
        this.#isRunning = true;
        this.#paused.clear();
        this.#join();
      },
      this.owner,
    );
  }

  /** While it reads, the long poll of every broker answers now and then, with or without records. */
  showLife(): void {
    if (this.#isReading) for (const nodeId of [0, 1]) this.#emit('FETCH', { nodeId });
  }

  #emit(event: keyof ModelConsumer['events'], payload: object): void {
    this.#emitter.emit(this.events[event], { payload });
  }

  #joinAgain(): void {
    if (!this.#isRunning || this.#isJoining) return;
    this.#isReading = false;
    this.#isJoining = true;
    this.#emit('REBALANCING', {});
    this.#cluster.time.schedule(wayMs(this.#cluster, this.owner), () => this.#join(), this.owner);
  }

  #join(): void {
    this.#isJoining = false;
    if (this.#isRunning) this.#memberId = this.#group.join(this, this.#memberId, this.#clientId);
  }

  #appended(entry: LogEntry): void {
    if (this.owner.isAlive && this.#isReading) this.#poll(this.#readings.get(placeOf(entry)));
  }

  #mayRead(reading: Reading): boolean {
    const place = placeOf(reading);
    return this.#isReading && this.#readings.get(place) === reading && !this.#paused.has(place);
  }

  #poll(reading: Reading | undefined): void {
    if (reading === undefined || reading.isFetching || !this.#mayRead(reading)) return;
    if (this.#cluster.log.entries(reading.topic, reading.partition).length <= reading.position) return;
    reading.isFetching = true;
    const from = reading.position;
    const both = wayMs(this.#cluster, this.owner) + wayMs(this.#cluster, this.owner);
    this.#cluster.time.schedule(both, () => this.#arrive(reading, from), this.owner);
  }

  #arrive(reading: Reading, from: number): void {
    reading.isFetching = false;
    // Most fetches that a seek or a join overtook are thrown away; some slip through.
    const isStale = from !== reading.position;
    if (this.#mayRead(reading) && (!isStale || this.owner.random.chance(0.3))) this.#hand(reading, from);
    this.#poll(reading);
  }

  #hand(reading: Reading, from: number): void {
    const log = this.#cluster.log.entries(reading.topic, reading.partition);
    const read = log.slice(from, from + this.owner.random.pick(BATCH_SIZES)).filter(({ kind }) => kind !== 'hole');
    const last = read.at(-1);
    if (last === undefined) return;
    const records = read.filter(({ kind }) => kind === 'record');
    reading.position = last.offset + 1;
    this.#emit('FETCH', { nodeId: reading.partition % 2 });
    const { topic, partition } = reading;
    const lastOffset = String(last.offset);
    if (records.length === 0) return this.#emit('END_BATCH_PROCESS', { topic, partition, batchSize: 0, lastOffset });
    this.owner.reach('fetched');
    if (!this.owner.isAlive) return;
    const batch = {
      topic,
      partition,
      fetchedOffset: String(from),
      messages: records.map(toMessage),
      lastOffset: () => lastOffset,
    };
    void this.#eachBatch?.({ batch, commitOffsetsIfNecessary: (commit) => this.#commit(commit) });
  }

  async #commit(commit: CommitPayload): Promise<void> {
    const memberId = this.#memberId;
    const generation = this.#generation;
    const offsets = new Map<string, Committed>();
    for (const { topic, partitions } of commit.topics) {
      for (const { partition, offset, metadata } of partitions) {
        offsets.set(placeOf({ topic, partition }), { offset: Number(offset), metadata });
      }
    }
    this.owner.reach('committing');
    await request(this.#cluster, this.owner, () => {
      const fault = this.#cluster.fault('commit');
      if (fault?.mode === 'refused') throw kafkaError('COORDINATOR_NOT_AVAILABLE', true);
      const before = new Map([...offsets.keys()].map((place) => [place, this.#group.offsets.get(place) ?? null]));
      const error = memberId === null ? 'UNKNOWN_MEMBER_ID' : this.#group.commit({ memberId, generation, offsets });
      if (error !== null) throw kafkaError(error, false);
      for (const [place, after] of offsets) {
        const commit = { groupId: this.groupId, place, before: before.get(place) ?? null, after, by: this.owner };
        this.#cluster.observer.committed(commit);
      }
      this.owner.reach('committed');
      if (fault?.mode === 'unanswered') throw kafkaError('REQUEST_TIMED_OUT', true);
    });
  }
}
