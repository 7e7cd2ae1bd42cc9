import type { Admin } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readMachine } from '../../../src/config.ts';
import { untilLed } from '../../../src/infrastructure/kafka/topics.ts';
import { type KafkaCluster, startKafkaCluster } from '../../../src/local/kafka-cluster.ts';
import { rawKafka } from '../../support/raw-clients.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

let cluster: KafkaCluster;
beforeAll(async () => {
  cluster = await startKafkaCluster(readMachine());
});
afterAll(() => cluster.stop());

test('three brokers keep every acknowledged record through a crash, a restart and a hang', async () => {
  const [, second, third] = cluster.brokers;
  if (second === undefined || third === undefined) throw new Error('the cluster has fewer than three brokers');
  const topic = unique('replicated');
  await withAdmin(async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: false, timeout: 10_000 });
    await untilLed(admin, [topic]);
  });
  const inSync = () =>
    withAdmin(async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions.map(({ isr }) => isr.length).join() ?? '';
    });
  await waitUntil(async () => (await inSync()) === '3,3,3');
  await send(topic, 'before');

  await second.kill();
  await waitUntil(async () => (await inSync()) === '2,2,2', { what: 'the loss of a broker to be noticed' });
  await send(topic, 'while one is down');
  await second.start();
  await waitUntil(async () => (await inSync()) === '3,3,3', { what: 'the broker to catch up' });

  third.pause();
  await waitUntil(async () => (await inSync()) === '2,2,2', { what: 'the hang to be noticed' });
  third.resume();
  await waitUntil(async () => (await inSync()) === '3,3,3', { what: 'the broker to catch up' });
  await third.stop();
  await third.start();
  const offsets = await waitUntil(() => withAdmin((admin) => admin.fetchTopicOffsets(topic)));
  expect(offsets.reduce((sum, { high }) => sum + Number(high), 0)).toBe(6);
});

/** Each call with a client of its own that does not wait long: an old one may hold on to a broker that hangs. */
async function withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = rawKafka(cluster.kafkaBrokers, { requestTimeout: 1_000, retry: { retries: 0 } }).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

/** One record for each partition. */
async function send(topic: string, value: string): Promise<void> {
  const producer = rawKafka(cluster.kafkaBrokers).producer();
  await producer.connect();
  for (const partition of [0, 1, 2]) await producer.send({ topic, acks: -1, messages: [{ value, partition }] });
  await producer.disconnect();
}
