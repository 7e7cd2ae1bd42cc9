import { type Admin, type Kafka, Partitioners, type PartitionMetadata } from 'kafkajs';
import { AppError } from '../../domain/errors.ts';
import type { OutgoingRecord } from '../../domain/record.ts';

/** Added partitions get records after this time at the latest. */
const REFRESH_INTERVAL_MS = 60_000;
/** Keys remembered per topic; beyond it the memory starts anew. */
const MAX_REMEMBERED_KEYS = 50_000;

/**
 * Chooses the partition of a record before it is sent: the record's own, else murmur2 of its key as the Java client
 * does, else any. Without this, kafkajs would partition keyless records anew at every retry.
 */
export class PartitionChooser {
  readonly #admin: Admin;
  #timer: NodeJS.Timeout | null = null;
  #refreshing: Promise<void> | null = null;
  readonly #metadata = new Map<string, PartitionMetadata[]>();
  readonly #partitioner = Partitioners.DefaultPartitioner();
  /** Partition by key, by topic: kafkajs hashes with 64-bit arithmetic in objects, and webhooks repeat for ever. */
  readonly #byKey = new Map<string, Map<string, number>>();

  constructor(kafka: Kafka) {
    this.#admin = kafka.admin();
  }

  /** From now on the layout of known topics is read again now and then: partitions may be added. */
  async start(): Promise<void> {
    await this.#admin.connect();
    this.#timer ??= setInterval(() => {
      this.#refreshing ??= this.#refresh();
    }, REFRESH_INTERVAL_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#refreshing;
    await this.#admin.disconnect();
  }

  /** The partition when the topic's layout is known; else null: ask `lookUp`. */
  known(record: OutgoingRecord): number | null {
    if (record.partition !== undefined) return record.partition;
    const partitionMetadata = this.#metadata.get(record.topic);
    if (partitionMetadata === undefined) return null;
    return typeof record.key === 'string'
      ? this.#partitionOf(record.topic, record.key, partitionMetadata)
      : this.#partitioner({ topic: record.topic, partitionMetadata, message: { key: record.key, value: null } });
  }

  #partitionOf(topic: string, key: string, partitionMetadata: PartitionMetadata[]): number {
    const known = this.#byKey.get(topic) ?? new Map<string, number>();
    const partition = known.get(key);
    if (partition !== undefined) return partition;
    if (known.size >= MAX_REMEMBERED_KEYS) known.clear();
    const computed = this.#partitioner({ topic, partitionMetadata, message: { key, value: null } });
    this.#byKey.set(topic, known.set(key, computed));
    return computed;
  }

  /** Learns the topic's layout first. Rejects with `publish_failed` when the topic does not exist. */
  async lookUp(record: OutgoingRecord): Promise<number> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [record.topic] });
    this.#learn(record.topic, topics[0]?.partitions ?? []);
    const partition = this.known(record);
    if (partition !== null) return partition;
    throw new AppError('publish_failed', `The topic ${record.topic} has no partitions; run "posthorn bootstrap"`);
  }

  /** How many partitions the topic has. */
  async count(topic: string): Promise<number> {
    await this.lookUp({ topic, key: null, value: null });
    return this.#metadata.get(topic)?.length ?? 0;
  }

  /** Keeps the old layout when no broker answers; whoever sends next notices that by itself. */
  async #refresh(): Promise<void> {
    try {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [...this.#metadata.keys()] });
      for (const { name, partitions } of topics) this.#learn(name, partitions);
    } catch {
      // Nothing is lost by an old layout: its partitions still exist.
    } finally {
      this.#refreshing = null;
    }
  }

  #learn(topic: string, partitions: PartitionMetadata[]): void {
    if (partitions.length !== this.#metadata.get(topic)?.length) this.#byKey.delete(topic);
    this.#metadata.set(topic, partitions);
  }
}
