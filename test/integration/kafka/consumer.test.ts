import type { Kafka } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import type { AssignedPartition } from '../../../src/domain/consumer-contract.ts';
import type { AppError } from '../../../src/domain/errors.ts';
import type { ConsumedRecord } from '../../../src/domain/record.ts';
import { TrackedConsumer } from '../../../src/infrastructure/kafka/consumer.ts';
import { KafkaPublisher } from '../../../src/infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { createTopic, testKafka } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Member {
  readonly consumer: TrackedConsumer;
  readonly received: { partition: AssignedPartition; record: ConsumedRecord }[];
  readonly fatal: AppError[];
}

async function startMember(
  kafka: Kafka,
  groupId: string,
  topics: () => string[],
  resolveAtOnce = true,
): Promise<Member> {
  const received: Member['received'] = [];
  const fatal: AppError[] = [];
  const consumer = new TrackedConsumer({
    kafka,
    groupId,
    topics: async () => topics(),
    log: createSilentLogger(),
    commitIntervalMs: 50,
    sessionTimeoutMs: 6_000,
    topicsRefreshMs: 200,
    onFatal: (error) => fatal.push(error),
    handler: {
      onRecords: (partition, records) => {
        for (const record of records) {
          received.push({ partition, record });
          if (resolveAtOnce) partition.resolve(record.offset);
        }
      },
    },
  });
  await consumer.start();
  cleanups.push(() => consumer.stop());
  return { consumer, received, fatal };
}

async function publisherOn(kafka: Kafka): Promise<KafkaPublisher> {
  const publisher = new KafkaPublisher({ kafka, log: createSilentLogger() });
  await publisher.start();
  cleanups.push(() => publisher.stop());
  return publisher;
}

function numbered(topic: string, from: number, count: number, partition?: number) {
  return Array.from({ length: count }, (_, index) => ({
    topic,
    key: `key-${from + index}`,
    value: Buffer.from(String(from + index)),
    ...(partition === undefined ? {} : { partition }),
  }));
}

const valuesOf = (member: Member) =>
  member.received.map(({ record }) => Number(record.value)).toSorted((a, b) => a - b);
const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index);

async function setUp(partitions = 1) {
  const topic = unique('topic');
  const kafka = testKafka();
  await createTopic(kafka, topic, partitions);
  return { topic, groupId: unique('group'), publisher: await publisherOn(kafka) };
}

test('every published record is received once, with key, value and place', async () => {
  const { topic, groupId, publisher } = await setUp(3);
  await publisher.publish(numbered(topic, 0, 300));
  const member = await startMember(testKafka(), groupId, () => [topic]);
  await waitUntil(() => member.received.length >= 300);
  expect(valuesOf(member)).toEqual(range(0, 300));
  expect(member.received[0]?.record.key?.toString()).toMatch(/^key-/);
});

test('a clean stop commits everything, so that the next member repeats nothing', async () => {
  const { topic, groupId, publisher } = await setUp(2);
  await publisher.publish(numbered(topic, 0, 50));
  const first = await startMember(testKafka(), groupId, () => [topic]);
  await waitUntil(() => first.received.length === 50);
  await first.consumer.stop();
  await publisher.publish(numbered(topic, 50, 10));
  const second = await startMember(testKafka(), groupId, () => [topic]);
  await waitUntil(() => second.received.length >= 10);
  expect(valuesOf(second)).toEqual(range(50, 10));
});

test('a takeover receives again only what was open, although later records were resolved first', async () => {
  const { topic, groupId, publisher } = await setUp();
  await publisher.publish(numbered(topic, 0, 10, 0));
  const first = await startMember(testKafka(), groupId, () => [topic], false);
  await waitUntil(() => first.received.length === 10);
  for (const { partition, record } of first.received) if (record.offset % 3 !== 0) partition.resolve(record.offset);
  await first.consumer.stop();
  const second = await startMember(testKafka(), groupId, () => [topic]);
  await waitUntil(() => second.received.length >= 4);
  expect(valuesOf(second)).toEqual([0, 3, 6, 9]);
});

test('a member that keeps a partition over a rebalance receives nothing of it again', async () => {
  const { topic, groupId, publisher } = await setUp(4);
  await publisher.publish(numbered(topic, 0, 200));
  const first = await startMember(testKafka(), groupId, () => [topic], false);
  await waitUntil(() => first.received.length === 200);
  const second = await startMember(testKafka(), groupId, () => [topic], false);
  await waitUntil(() => first.consumer.partitions.length === 2 && second.consumer.partitions.length === 2);
  await waitUntil(() => [...first.consumer.partitions, ...second.consumer.partitions].every(({ ready }) => ready));
  await publisher.publish(numbered(topic, 200, 200));
  await waitUntil(() => new Set([...valuesOf(first), ...valuesOf(second)]).size === 400);
  expect(new Set(valuesOf(first)).size).toBe(first.received.length);
});

test('work of a lost partition is told so and is never committed', async () => {
  const { topic, groupId, publisher } = await setUp(2);
  await publisher.publish([...numbered(topic, 0, 5, 0), ...numbered(topic, 5, 5, 1)]);
  const first = await startMember(testKafka(), groupId, () => [topic], false);
  await waitUntil(() => first.received.length === 10);
  const second = await startMember(testKafka(), groupId, () => [topic], false);
  await waitUntil(() => second.received.length === 5);
  const lost = first.received.filter(({ partition }) => !partition.isActive);
  expect(lost).toHaveLength(5);
  for (const { partition, record } of lost) partition.resolve(record.offset);
  await first.consumer.stop();
  await second.consumer.stop();
  const third = await startMember(testKafka(), groupId, () => [topic]);
  await waitUntil(() => third.received.length >= 10);
  expect(valuesOf(third)).toEqual(range(0, 10));
});

test('a topic made after the start is read without a restart', async () => {
  const { topic, groupId, publisher } = await setUp();
  const later = unique('later');
  let topics = [topic];
  const member = await startMember(testKafka(), groupId, () => topics);
  await publisher.publish(numbered(topic, 0, 3));
  await waitUntil(() => member.received.length === 3);
  await createTopic(testKafka(), later);
  topics = [topic, later];
  await publisher.publish(numbered(later, 3, 3));
  await waitUntil(() => member.received.length >= 6);
  expect(valuesOf(member)).toEqual(range(0, 6));
});

test('a full window pauses its partition and reading goes on when it empties', async () => {
  const { topic, groupId, publisher } = await setUp();
  const received: { partition: AssignedPartition; record: ConsumedRecord }[] = [];
  const consumer = new TrackedConsumer({
    kafka: testKafka(),
    groupId,
    topics: async () => [topic],
    log: createSilentLogger(),
    windowRecords: 100,
    maxBytesPerPartition: 4_096,
    onFatal: () => undefined,
    handler: { onRecords: (partition, records) => received.push(...records.map((record) => ({ partition, record }))) },
  });
  await consumer.start();
  cleanups.push(() => consumer.stop());
  for (let from = 0; from < 1000; from += 20) await publisher.publish(numbered(topic, from, 20));
  await waitUntil(() => received.length >= 100);
  const whenFull = received.length;
  expect(whenFull).toBeLessThan(400);
  const resolved = new Set<number>();
  await waitUntil(() => {
    for (const { partition, record } of received) {
      if (!resolved.has(record.offset)) partition.resolve(record.offset);
      resolved.add(record.offset);
    }
    return received.length === 1000;
  });
});

test('records deleted before they were read stop the consumer loudly', async () => {
  const { topic, groupId, publisher } = await setUp();
  await publisher.publish(numbered(topic, 0, 10, 0));
  const first = await startMember(testKafka(), groupId, () => [topic], false);
  await waitUntil(() => first.received.length === 10);
  first.received[0]?.partition.resolve(0);
  await first.consumer.stop();
  const admin = testKafka().admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '8' }] });
  await admin.disconnect();
  const second = await startMember(testKafka(), groupId, () => [topic]);
  await waitUntil(() => second.fatal.length > 0);
  expect(second.fatal[0]?.message).toContain('records 1 to 7 were deleted before they were read');
  expect(second.received).toEqual([]);
});

test('a stop right after a join leaves no connection open that would keep the process alive', async () => {
  const kafka = testKafka();
  const topics = Array.from({ length: 8 }, () => unique('topic'));
  for (const topic of topics) await createTopic(kafka, topic, 6);
  const connections = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const before = connections();
  for (let round = 0; round < 5; round++) {
    const { consumer } = await startMember(testKafka(), unique('group'), () => topics);
    await consumer.stop();
  }
  await waitUntil(() => connections() <= before, { timeoutMs: 5_000, what: 'the end of all connections' });
});

test('a member that reads is not taken for one that has stopped, however far behind it is', async () => {
  const { topic, groupId, publisher } = await setUp();
  const sessionTimeoutMs = 1_000;
  const fatal: AppError[] = [];
  let last = -1;
  const consumer = new TrackedConsumer({
    kafka: testKafka(),
    groupId,
    topics: async () => [topic],
    log: createSilentLogger(),
    sessionTimeoutMs,
    onFatal: (error) => fatal.push(error),
    handler: {
      onRecords: (partition, records) => {
        last = records.at(-1)?.offset ?? last;
        partition.resolveThrough(last);
      },
    },
  });
  await consumer.start();
  cleanups.push(() => consumer.stop());
  const startedMs = performance.now();
  let published = 0;
  // Always more to read, for longer than a silent client would be forgiven (three session timeouts, seen at the next check).
  while (performance.now() - startedMs < 6 * sessionTimeoutMs) {
    await publisher.publish(numbered(topic, published, 500));
    published += 500;
  }
  await waitUntil(() => last === published - 1, { what: 'that all is read' });
  expect(fatal).toEqual([]);
});

test('partitions that are added to a topic while it is read are read too', async () => {
  const { topic, groupId, publisher } = await setUp();
  const member = await startMember(testKafka(), groupId, () => [topic]);
  await publisher.publish(numbered(topic, 0, 1, 0));
  await waitUntil(() => member.received.length === 1, { what: 'the first record' });
  const admin = testKafka().admin();
  await admin.connect();
  cleanups.push(() => admin.disconnect());
  await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
  const later = await publisherOn(testKafka());
  await later.publish([1, 2].flatMap((partition) => numbered(topic, partition, 1, partition)));
  await waitUntil(() => member.received.length === 3, { what: 'the records of the new partitions' });
  expect(valuesOf(member)).toEqual(range(0, 3));
  expect(member.fatal).toEqual([]);
});
