import type { Kafka } from 'kafkajs';
import { type Client, type Cluster, kafkaError, request, wayMs } from './cluster.ts';
import { ModelConsumer, type ModelConsumerConfig } from './consumer.ts';
import { type LogEntry, type NewEntry, placeOf } from './log.ts';

interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly {
    readonly partition: number;
    readonly key: string | Buffer | null;
    readonly value: Buffer | null;
    readonly headers?: NewEntry['headers'];
  }[];
}

const NODES = 2;

/** What one process sees of Kafka: the same surface as kafkajs, over the models. */
export class ModelKafka {
  readonly consumers: ModelConsumer[] = [];
  readonly #cluster: Cluster;
  readonly #client: Client;
  readonly #clientId: string;

  constructor(cluster: Cluster, client: Client, clientId: string) {
    this.#cluster = cluster;
    this.#client = client;
    this.#clientId = clientId;
  }

  asKafka(): Kafka {
    return this as unknown as Kafka;
  }

  consumer(config: ModelConsumerConfig): ModelConsumer {
    const consumer = new ModelConsumer(this.#cluster, this.#client, { ...config, clientId: this.#clientId });
    this.consumers.push(consumer);
    return consumer;
  }

  producer() {
    const idle = async () => {};
    return {
      connect: idle,
      disconnect: idle,
      sendBatch: ({ topicMessages }: { topicMessages: readonly TopicMessages[] }) => this.#send(topicMessages),
    };
  }

  admin() {
    const { log } = this.#cluster;
    const idle = async () => {};
    return {
      connect: idle,
      disconnect: idle,
      fetchOffsets: ({ groupId, topics }: { groupId: string; topics: readonly string[] }) =>
        this.#ask(() => topics.map((topic) => ({ topic, partitions: this.#offsetsOf(groupId, topic) }))),
      fetchTopicOffsets: (topic: string) =>
        this.#ask(() =>
          log.partitions(topic).map(({ length }, partition) => {
            return { partition, low: '0', high: String(length), offset: String(length) };
          }),
        ),
      fetchTopicMetadata: ({ topics }: { topics: readonly string[] }) => {
        for (const consumer of this.consumers) consumer.showLife();
        return this.#ask(() => ({ topics: topics.map((name) => ({ name, partitions: this.#layoutOf(name) })) }));
      },
    };
  }

  #layoutOf(topic: string) {
    return this.#cluster.log.partitions(topic).map((_, partitionId) => {
      const leader = partitionId % NODES;
      return { partitionErrorCode: 0, partitionId, leader, replicas: [leader], isr: [leader] };
    });
  }

  #offsetsOf(groupId: string, topic: string) {
    const { offsets } = this.#cluster.group(groupId);
    return this.#cluster.log.partitions(topic).map((_, partition) => {
      const committed = offsets.get(placeOf({ topic, partition }));
      return { partition, offset: String(committed?.offset ?? -1), metadata: committed?.metadata ?? null };
    });
  }

  #ask<T>(answer: () => T): Promise<T> {
    return request(this.#cluster, this.#client, () => {
      if (this.#cluster.fault('admin') === null) return answer();
      this.#cluster.disturb();
      throw kafkaError('COORDINATOR_NOT_AVAILABLE', true);
    });
  }

  /** Every broker writes its share at its own time, or does not; what the client is told is another matter. */
  async #send(topicMessages: readonly TopicMessages[]) {
    const { time } = this.#cluster;
    const client = this.#client;
    if (!client.isAlive) return new Promise<never>(() => {});
    client.reach('publishing');
    if (!client.isAlive) return new Promise<never>(() => {});
    const fault = this.#cluster.fault('publish');
    const mode = fault !== null && this.#cluster.strikes(fault) ? fault.mode : null;
    if (mode !== null) this.#cluster.disturb();
    const missing = missingNodes(mode, client);
    const written: LogEntry[] = [];
    const slowMs = mode === 'slow' ? client.random.between(500, 20_000) : 0;
    const shares = Array.from({ length: NODES }, (_, node) => node).filter((node) => !missing.has(node));
    for (const node of shares) {
      const write = () => written.push(...this.#write(topicMessages, node));
      time.schedule(slowMs + wayMs(this.#cluster, client), write, null);
    }
    await time.delay(slowMs + 2 * this.#cluster.scenario.brokerMs + 1);
    if (mode !== null) this.#cluster.disturb();
    client.reach('published');
    if (!client.isAlive) return new Promise<never>(() => {});
    if (mode === 'refused' || mode === 'unanswered' || mode === 'partial') {
      this.#cluster.observer.publishFailed(written);
      throw kafkaError('REQUEST_TIMED_OUT', client.random.chance(0.5));
    }
    const places = new Map(written.map((entry) => [placeOf(entry), entry]));
    return [...places.values()].map(({ topic, partition }) => ({ topicName: topic, partition, errorCode: 0 }));
  }

  #write(topicMessages: readonly TopicMessages[], node: number): LogEntry[] {
    const written: LogEntry[] = [];
    for (const { topic, messages } of topicMessages) {
      for (const { partition, key, value, headers } of messages) {
        if (partition % NODES !== node) continue;
        const bytes = typeof key === 'string' ? Buffer.from(key) : key;
        written.push(
          this.#cluster.log.append(topic, partition, {
            kind: 'record',
            key: bytes,
            value: value === null ? null : Buffer.from(value),
            headers: headers ?? {},
          }),
        );
      }
    }
    if (written.length > 0) this.#client.reach('written');
    return written;
  }
}

function missingNodes(mode: string | null, { random }: Client): ReadonlySet<number> {
  if (mode === 'refused') return new Set([0, 1]);
  return mode === 'partial' || mode === 'silent' ? new Set([random.between(0, NODES - 1)]) : new Set();
}
