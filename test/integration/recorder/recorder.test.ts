import { afterEach, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import { createAttemptCodec, registerInternalSchemas } from '../../../src/infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../../../src/infrastructure/avro/registry.ts';
import { TrackedConsumer } from '../../../src/infrastructure/kafka/consumer.ts';
import { KafkaPublisher } from '../../../src/infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { Recorder } from '../../../src/processes/recorder/recorder.ts';
import { anAttempt } from '../../support/attempts.ts';
import { createTopic, testKafka } from '../../support/kafka.ts';
import { createTestStore, insertWebhook, statsOf, type TestStore } from '../../support/recorder-store.ts';
import { testServers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function setUp() {
  const kafka = testKafka();
  const topics = { attempts: unique('attempts'), deadDeliveries: unique('dead'), deadEvents: unique('dead') };
  await createTopic(kafka, topics.attempts, 3);
  const log = await createTestStore();
  cleanups.push(async () => log[Symbol.asyncDispose]());
  const registry = createSchemaRegistry({ url: testServers().schemaRegistryUrl });
  await registerInternalSchemas(registry);
  const codec = await createAttemptCodec(registry);
  const publisher = new KafkaPublisher({ kafka, log: createSilentLogger() });
  await publisher.start();
  cleanups.push(() => publisher.stop());
  const publish = (attempts: readonly AttemptRecord[]) =>
    publisher.publish(
      attempts.map((attempt) => ({ topic: topics.attempts, key: attempt.webhook_id, value: codec.encode(attempt) })),
    );
  const decodeAttempt = (value: Buffer) => codec.decode(value);
  return { kafka, topics, log, publish, decodeAttempt, groupId: unique('group') };
}

type Pipeline = Awaited<ReturnType<typeof setUp>>;

async function startRecorder(pipeline: Pipeline, store = pipeline.log.store): Promise<() => Promise<void>> {
  const { kafka, topics, groupId, decodeAttempt } = pipeline;
  const recorder = new Recorder({
    decodeAttempt,
    readEvent: () => ({ kind: 'rejected', rejection: { reason: 'bad_framing', message: 'no event' } }),
    writeBatch: (batch) => store.writeBatch(batch),
    loadOffset: (topic, partition) => store.loadOffset(topic, partition),
    topics,
    log: createSilentLogger(),
    now: () => Date.now(),
  });
  const consumer = new TrackedConsumer({
    kafka,
    groupId,
    topics: async () => [topics.attempts],
    handler: recorder,
    log: createSilentLogger(),
    sessionTimeoutMs: 6_000,
    commitIntervalMs: 50,
    onFatal: (error) => {
      throw error;
    },
  });
  await recorder.start();
  await consumer.start();
  const stop = async () => {
    await recorder.stop();
    await consumer.stop();
  };
  cleanups.push(stop);
  return stop;
}

async function totalOf(log: TestStore, webhooks: readonly string[]): Promise<number> {
  const stats = await Promise.all(webhooks.map((webhook) => statsOf(log.database, webhook)));
  return stats.reduce((sum, { total }) => sum + total, 0);
}

function attemptsOf(webhooks: readonly string[], count: number): AttemptRecord[] {
  return Array.from({ length: count }, (_, index) =>
    anAttempt({ webhook_id: webhooks[index % webhooks.length] ?? '', outcome: index % 4 === 0 ? 'dead' : 'succeeded' }),
  );
}

test('1,000 attempts are in the stats within 5 s, each once', async () => {
  const pipeline = await setUp();
  const webhooks = await Promise.all(Array.from({ length: 10 }, () => insertWebhook(pipeline.log.database)));
  await startRecorder(pipeline);
  const [first] = webhooks;
  await pipeline.publish(attemptsOf([first ?? ''], 4));
  await waitUntil(async () => (await totalOf(pipeline.log, webhooks)) === 4);
  await pipeline.publish(attemptsOf(webhooks, 1_000));
  await waitUntil(async () => (await totalOf(pipeline.log, webhooks)) === 1_004, { timeoutMs: 5_000 });
  expect(await statsOf(pipeline.log.database, first ?? '')).toMatchObject({ total: 104, successful: 53, failed: 51 });
});

test('a recorder whose commits to Kafka were lost goes on where the log ends', async () => {
  const pipeline = await setUp();
  const webhook = await insertWebhook(pipeline.log.database);
  const stop = await startRecorder(pipeline);
  await pipeline.publish(attemptsOf([webhook], 300));
  await waitUntil(async () => (await totalOf(pipeline.log, [webhook])) === 300);
  await stop();
  await pipeline.publish(attemptsOf([webhook], 100));
  await startRecorder({ ...pipeline, groupId: unique('group') });
  await waitUntil(async () => (await totalOf(pipeline.log, [webhook])) >= 400);
  expect(await statsOf(pipeline.log.database, webhook)).toMatchObject({ total: 400, successful: 300, failed: 100 });
  const [rows] = await pipeline.log.database.knex('attempts').where({ webhook_id: webhook }).count();
  expect(Number(rows?.['count'])).toBe(400);
});

test('recorders that share the partitions and change places count each attempt once', async () => {
  const pipeline = await setUp();
  const webhooks = await Promise.all(Array.from({ length: 12 }, () => insertWebhook(pipeline.log.database)));
  const stopFirst = await startRecorder(pipeline);
  await pipeline.publish(attemptsOf(webhooks, 600));
  await startRecorder(pipeline);
  await pipeline.publish(attemptsOf(webhooks, 600));
  await stopFirst();
  await pipeline.publish(attemptsOf(webhooks, 600));
  await waitUntil(async () => (await totalOf(pipeline.log, webhooks)) >= 1_800, { timeoutMs: 30_000 });
  const stats = await Promise.all(webhooks.map((webhook) => statsOf(pipeline.log.database, webhook)));
  expect(stats.map(({ total, successful, failed }) => [total, successful + failed])).toEqual(
    webhooks.map(() => [150, 150]),
  );
});
