import { type Admin, type Kafka, Partitioners, type PartitionMetadata } from 'kafkajs';
import { AppError } from '../../domain/errors.ts';
import type { OutgoingRecord } from '../../domain/record.ts';

/**
 * Chooses the partition of a record before it is sent: the record's own, else murmur2 of its key as the Java client
 * does, else any. Without this, kafkajs would partition keyless records anew at every retry.
 */
export class PartitionChooser {
  readonly #admin: Admin;
  readonly #metadata = new Map<string, PartitionMetadata[]>();
  readonly #partitioner = Partitioners.DefaultPartitioner();

  constructor(kafka: Kafka) {
    this.#admin = kafka.admin();
  }

  start(): Promise<void> {
    return this.#admin.connect();
  }

  stop(): Promise<void> {
    return this.#admin.disconnect();
  }

  /** The partition when the topic's layout is known; else null: ask `lookUp`. */
  known(record: OutgoingRecord): number | null {
    if (record.partition !== undefined) return record.partition;
    const partitionMetadata = this.#metadata.get(record.topic);
    if (partitionMetadata === undefined) return null;
    return this.#partitioner({ topic: record.topic, partitionMetadata, message: { key: record.key, value: null } });
  }

  /** Learns the topic's layout first. Rejects with `publish_failed` when the topic does not exist. */
  async lookUp(record: OutgoingRecord): Promise<number> {
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [record.topic] });
    this.#metadata.set(record.topic, topics[0]?.partitions ?? []);
    const partition = this.known(record);
    if (partition !== null) return partition;
    throw new AppError('publish_failed', `The topic ${record.topic} has no partitions; run "posthorn bootstrap"`);
  }

  /** How many partitions the topic has. */
  async count(topic: string): Promise<number> {
    await this.lookUp({ topic, key: null, value: null });
    return this.#metadata.get(topic)?.length ?? 0;
  }

  /** Reads the layout of all known topics again: leaders and counts may have changed. Keeps the old one when it cannot. */
  async refresh(): Promise<void> {
    try {
      const { topics } = await this.#admin.fetchTopicMetadata({ topics: [...this.#metadata.keys()] });
      for (const { name, partitions } of topics) this.#metadata.set(name, partitions);
    } catch {
      // The brokers cannot be reached; the send that follows reports it.
    }
  }
}
