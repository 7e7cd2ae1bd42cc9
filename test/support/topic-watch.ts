import type { Consumer, KafkaMessage } from 'kafkajs';
import { rawKafka } from './raw-clients.ts';
import { testServers } from './servers.ts';
import { unique } from './unique.ts';
import { waitUntil } from './wait-until.ts';

/** A record as a stranger reads it. */
export interface WatchedRecord {
  readonly topic: string;
  readonly key: string | null;
  readonly value: Buffer | null;
  /** The first value of each header. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything in some topics, from the beginning and on. */
export class TopicWatch implements AsyncDisposable {
  readonly records: WatchedRecord[] = [];
  private readonly consumer: Consumer;

  private constructor(consumer: Consumer) {
    this.consumer = consumer;
  }

  static async open(topics: readonly string[]): Promise<TopicWatch> {
    const kafka = rawKafka(testServers().kafkaBrokers.join(','));
    const consumer = kafka.consumer({ groupId: unique('watch'), maxWaitTimeInMs: 100 });
    const watch = new TopicWatch(consumer);
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ topic, message }) => void watch.records.push(recordOf(topic, message)),
    });
    return watch;
  }

  /** Waits until `count` records are as wanted, and gives them back. */
  async find(
    wanted: (record: WatchedRecord) => boolean,
    count = 1,
    timeoutMs = 20_000,
  ): Promise<readonly WatchedRecord[]> {
    const found = () => this.records.filter(wanted);
    const isThere = () => found().length >= count;
    await waitUntil(isThere, { timeoutMs, what: `the arrival of ${count} records` });
    return found();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.consumer.disconnect();
  }
}

function recordOf(topic: string, { key, value, headers = {} }: KafkaMessage): WatchedRecord {
  const texts = Object.entries(headers).map(([name, header]) => [
    name,
    String(Array.isArray(header) ? header[0] : header),
  ]);
  return { topic, key: key?.toString() ?? null, value, headers: Object.fromEntries(texts) };
}
