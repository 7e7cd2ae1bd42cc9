import { pathToFileURL } from 'node:url';
import type { Kafka, Producer, ProducerConfig } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readMachine } from '../../../src/config.ts';
import type { AppError } from '../../../src/domain/errors.ts';
import { KafkaPublisher } from '../../../src/infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { type ClusterBroker, type KafkaCluster, startKafkaCluster } from '../../../src/local/kafka-cluster.ts';
import { createTopic, kafkaAt, readAll, testKafka } from '../../support/kafka.ts';
import { writeSnippet } from '../../support/snippets.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

const PARTITIONS = 6;
let cluster: KafkaCluster;

beforeAll(async () => {
  cluster = await startKafkaCluster({ ...readMachine(), brokers: 3 });
});
afterEach(async () => {
  // Also after a failure: the next test needs every broker.
  for (const broker of cluster.brokers) broker.resume();
  await Promise.all(cluster.brokers.map((broker) => broker.start()));
});
afterAll(() => cluster.stop());

function clusterKafka(): Kafka {
  return kafkaAt(cluster.kafkaBrokers.split(','));
}

const messages = Array.from({ length: 60 }, (_, index) => ({
  key: `key-${index}`,
  value: Buffer.from(String(index)),
  partition: index % PARTITIONS,
}));

/** A broker that leads a partition, so that a send waits for it when it hangs. */
async function leaderOf(kafka: Kafka, topic: string): Promise<ClusterBroker> {
  const admin = kafka.admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  await admin.disconnect();
  const leader = topics[0]?.partitions[0]?.leader;
  const broker = cluster.brokers.find(({ nodeId }) => nodeId === leader);
  if (broker === undefined) throw new Error('partition 0 has no leader');
  return broker;
}

test('the bare client resolves although the partitions of a broker that went away were never written', async () => {
  const kafka = clusterKafka();
  const topic = unique('bare');
  await createTopic(kafka, topic, PARTITIONS, 3);
  const producer = kafka.producer({
    idempotent: true,
    retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 1000 },
  });
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: messages.map((message) => ({ ...message, key: 'warm-up' })) });
  const broker = await leaderOf(kafka, topic);
  const answered = new Set<string>();
  producer.on(producer.events.REQUEST, ({ payload }) => {
    if (payload.apiName === 'Produce') answered.add(payload.broker);
  });
  broker.pause();
  const sending = producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages }] });
  await waitUntil(() => answered.size === 2);
  await broker.kill();
  const answer = await sending;
  await producer.disconnect();
  const written = (await readAll(kafka, topic)).filter(({ key }) => key !== 'warm-up');
  expect(answer.every(({ errorCode }) => errorCode === 0)).toBe(true);
  expect(answer.length).toBeLessThan(PARTITIONS);
  expect(written.length).toBeLessThan(messages.length);
}, 120_000);

test('our publisher resolves only when every record is in the log, also when a broker goes away', async () => {
  const kafka = clusterKafka();
  const topic = unique('guarded');
  await createTopic(kafka, topic, PARTITIONS, 3);
  let repaired = 0;
  const publisher = new KafkaPublisher({
    kafka,
    log: createSilentLogger(),
    giveUpAfterMs: 60_000,
    onRepaired: (count) => (repaired += count),
  });
  await publisher.start();
  await publisher.publish(messages.map((message) => ({ ...message, topic, key: 'warm-up' })));
  const broker = await leaderOf(kafka, topic);
  broker.pause();
  const publishing = publisher.publish(messages.map((message) => ({ ...message, topic })));
  await waitUntil(async () => (await leaderOf(kafkaWithout(broker), topic)).nodeId !== broker.nodeId);
  await broker.kill();
  await publishing;
  await publisher.stop();
  const written = (await readAll(kafka, topic)).filter(({ key }) => key !== 'warm-up');
  expect(new Set(written.map(({ value }) => value?.toString())).size).toBe(messages.length);
  expect(repaired).toBeGreaterThan(0);
}, 120_000);

test('the producer that the documentation shows writes every record, also when a broker goes away', async () => {
  using snippet = writeSnippet('docs/producers.md', 'checked-producer');
  const { createCheckedProducer } = await import(pathToFileURL(snippet.file).href);
  const kafka = clusterKafka();
  const topic = unique('documented');
  await createTopic(kafka, topic, PARTITIONS, 3);
  const sends: number[] = [];
  let beforeSend = () => {};
  const counted = (options: ProducerConfig): Pick<Producer, 'connect' | 'disconnect' | 'send'> => {
    const producer = kafka.producer({
      ...options,
      retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 1000 },
    });
    const send: Producer['send'] = (record) => {
      sends.push(record.messages.length);
      beforeSend();
      return producer.send(record);
    };
    return { connect: () => producer.connect(), disconnect: () => producer.disconnect(), send };
  };
  const producer = await createCheckedProducer({ admin: () => kafka.admin(), producer: counted });
  await producer.send(
    topic,
    messages.map((message) => ({ ...message, key: 'warm-up' })),
  );
  const broker = await leaderOf(kafka, topic);
  // Only now: before each call it asks any broker for the topic's layout, and this one would not answer.
  beforeSend = () => {
    beforeSend = () => {};
    broker.pause();
  };
  const sending = producer.send(topic, messages);
  await waitUntil(async () => (await leaderOf(kafkaWithout(broker), topic)).nodeId !== broker.nodeId);
  await broker.kill();
  await sending;
  await producer.close();
  const written = (await readAll(kafka, topic)).filter(({ key }) => key !== 'warm-up');
  expect(new Set(written.map(({ value }) => value?.toString())).size).toBe(messages.length);
  expect(sends.length).toBeGreaterThan(2);
}, 120_000);

function kafkaWithout(broker: ClusterBroker): Kafka {
  return kafkaAt(cluster.brokers.filter((one) => one !== broker).map(({ address }) => address));
}

test('records of concurrent calls all arrive, in their order per key', async () => {
  const kafka = testKafka();
  const topic = unique('concurrent');
  await createTopic(kafka, topic, 3);
  const publisher = new KafkaPublisher({ kafka, log: createSilentLogger() });
  await publisher.start();
  const calls = Array.from({ length: 200 }, (_, index) =>
    publisher.publish([{ topic, key: `key-${index % 7}`, value: Buffer.from(String(index)) }]),
  );
  await Promise.all(calls);
  await publisher.stop();
  const records = await readAll(kafka, topic);
  expect(records).toHaveLength(200);
  for (let key = 0; key < 7; key++) {
    const values = records.filter((record) => record.key === `key-${key}`).map(({ value }) => Number(value));
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  }
});

test('a record that the broker refuses fails its own call and no other', async () => {
  const kafka = testKafka();
  const topic = unique('oversized');
  await createTopic(kafka, topic);
  const publisher = new KafkaPublisher({ kafka, log: createSilentLogger() });
  await publisher.start();
  const tooLarge = publisher.publish([{ topic, key: 'large', value: Buffer.alloc(14 * 1024 * 1024) }]);
  const fine = publisher.publish([{ topic, key: 'fine', value: Buffer.from('fine') }]);
  await expect(tooLarge).rejects.toMatchObject({ code: 'publish_failed' } satisfies Partial<AppError>);
  await fine;
  await publisher.stop();
  expect((await readAll(kafka, topic)).map(({ key }) => key)).toEqual(['fine']);
});

test('a topic that does not exist is named in the error', async () => {
  const publisher = new KafkaPublisher({ kafka: testKafka(), log: createSilentLogger(), giveUpAfterMs: 500 });
  await publisher.start();
  const topic = unique('missing');
  await expect(publisher.publish([{ topic, key: null, value: null }])).rejects.toMatchObject({
    code: 'publish_failed',
  });
  await publisher.stop();
  await expect(publisher.publish([{ topic, key: null, value: null }])).rejects.toThrow('stopped');
});
