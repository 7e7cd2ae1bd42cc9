import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from 'kafkajs';
import { createKafkaClient } from '../../src/infrastructure/kafka/client.ts';
import { untilLed } from '../../src/infrastructure/kafka/topics.ts';
import { createSilentLogger } from '../../src/infrastructure/telemetry/logger.ts';
import { testServers } from './servers.ts';
import { unique } from './unique.ts';
import { waitUntil } from './wait-until.ts';

/** A client of the test broker with a name of its own. */
export function testKafka(): Kafka {
  return kafkaAt(testServers().kafkaBrokers);
}

export function kafkaAt(kafkaBrokers: readonly string[]): Kafka {
  return createKafkaClient({ brokers: kafkaBrokers, ssl: false, sasl: null }, unique('client'), createSilentLogger());
}

/** Makes a topic and waits until every partition has a leader. */
export async function createTopic(kafka: Kafka, topic: string, partitions = 1, replicationFactor = 1): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor }],
      waitForLeaders: false,
    });
    await untilLed(admin, [topic]);
  } finally {
    await admin.disconnect();
  }
}

/** Every record of a topic up to its present end, read without a group. */
export async function readAll(kafka: Kafka, topic: string): Promise<{ key: string | null; value: Buffer | null }[]> {
  const admin = kafka.admin();
  await admin.connect();
  // While leaders change nobody knows where a partition ends.
  const ends = await waitUntil(() => admin.fetchTopicOffsets(topic), { what: `the end of ${topic}` });
  await admin.disconnect();
  const expected = ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
  const records: { key: string | null; value: Buffer | null }[] = [];
  if (expected === 0) return records;
  const consumer = kafka.consumer({ groupId: unique('reader'), maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      records.push({ key: message.key?.toString() ?? null, value: message.value });
    },
  });
  while (records.length < expected) await delay(20);
  await consumer.disconnect();
  return records;
}
