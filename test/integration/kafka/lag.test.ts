import type { Admin } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { PartitionHandler } from '../../../src/domain/consumer-contract.ts';
import { createBrokerWatch } from '../../../src/infrastructure/kafka/broker-watch.ts';
import { createKafkaClient } from '../../../src/infrastructure/kafka/client.ts';
import { TrackedConsumer } from '../../../src/infrastructure/kafka/consumer.ts';
import { describeGroups, readBacklogs } from '../../../src/infrastructure/kafka/group-report.ts';
import { LagWatch } from '../../../src/infrastructure/kafka/lag-watch.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { rawKafka } from '../../support/raw-clients.ts';
import { testServers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

const log = createSilentLogger();
const brokers = () => testServers().kafkaBrokers;
const connection = () => ({ brokers: brokers(), ssl: false, sasl: null });
const raw = () => rawKafka(brokers().join(','));

let admin: Admin;
let topic: string;
const open: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  admin = raw().admin();
  await admin.connect();
  topic = unique('lag');
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
});

afterEach(async () => {
  for (const service of open.splice(0).toReversed()) await service.stop();
});

afterAll(async () => {
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
});

/** Records whose producer says how old they are. */
async function produce(ages: readonly { partition: number; ageMs: number }[]): Promise<void> {
  const producer = raw().producer();
  await producer.connect();
  const messages = ages.map(({ partition, ageMs }) => ({
    partition,
    value: 'x',
    timestamp: String(Date.now() - ageMs),
  }));
  await producer.send({ topic, messages });
  await producer.disconnect();
}

async function consume(groupId: string, handler: PartitionHandler): Promise<TrackedConsumer> {
  const kafka = createKafkaClient(connection(), unique('lag-client'), log);
  const topics = async () => [topic];
  const consumer = new TrackedConsumer({ kafka, groupId, topics, handler, log, onFatal: () => undefined });
  open.push(consumer);
  await consumer.start();
  return consumer;
}

test('what is not resolved counts as lag, with the age of its oldest record, until it is', async () => {
  await produce([
    { partition: 0, ageMs: 600_000 },
    { partition: 0, ageMs: 60_000 },
    { partition: 1, ageMs: 30_000 },
  ]);
  const resolved: (() => void)[] = [];
  const consumer = await consume(unique('lag-group'), {
    onRecords: (partition, records) => {
      for (const { offset } of records) resolved.push(() => partition.resolve(offset));
    },
  });
  const endOffsets = async (name: string) =>
    (await admin.fetchTopicOffsets(name)).map(({ partition, high }) => ({ partition, end: Number(high) }));
  const watch = new LagWatch({ endOffsets, intervalMs: 50, now: Date.now, log });
  open.push(watch);
  watch.follow('delivery', consumer);
  await watch.start();
  await waitUntil(() => resolved.length === 3);
  const [lag] = watch.lags();
  expect(lag).toMatchObject({ group: 'delivery', topic, records: 3 });
  expect(lag?.oldestMs).toBeGreaterThanOrEqual(600_000);
  expect(lag?.oldestMs).toBeLessThan(660_000);
  const reading = { group: 'delivery', state: 'reading', partitions: 2 };
  expect(watch.fetchStates()).toContainEqual(reading);

  for (const resolve of resolved) resolve();
  expect(watch.lags()).toEqual([{ group: 'delivery', topic, records: 0, oldestMs: 0 }]);
});

test('records that a paused partition has not read count too, once the brokers told of them', async () => {
  const handler: PartitionHandler = {
    onRecords: (partition, records) => {
      partition.resolveThrough(records.at(-1)?.offset ?? 0);
      partition.pause();
    },
  };
  const consumer = await consume(unique('lag-group'), handler);
  const isHeld = () =>
    consumer.partitions.length === 2 && consumer.partitions.every(({ fetchState }) => fetchState === 'held');
  await waitUntil(isHeld, { what: 'that both partitions are held' });
  await produce([
    { partition: 0, ageMs: 0 },
    { partition: 1, ageMs: 0 },
  ]);
  const endOffsets = async (name: string) =>
    (await admin.fetchTopicOffsets(name)).map(({ partition, high }) => ({ partition, end: Number(high) }));
  const watch = new LagWatch({ endOffsets, intervalMs: 50, now: Date.now, log });
  open.push(watch);
  watch.follow('retry', consumer);
  await watch.start();
  await waitUntil(() => (watch.lags()[0]?.records ?? 0) === 2);
  await waitUntil(() => (watch.lags()[0]?.oldestMs ?? 0) >= 100, { what: 'that the wait grows' });
  expect(watch.fetchStates()).toContainEqual({ group: 'retry', state: 'held', partitions: 2 });
});

test('from outside the lag of a group and the age of what waits are found without reading it', async () => {
  const groupId = unique('lag-group');
  const other = unique('lag');
  await admin.createTopics({ topics: [{ topic: other, numPartitions: 3 }], waitForLeaders: true });
  try {
    const producer = raw().producer();
    await producer.connect();
    const nowMs = Date.now();
    const aged = (partition: number, ageMs: number) => ({ partition, value: 'x', timestamp: String(nowMs - ageMs) });
    await producer.send({
      topic: other,
      messages: [aged(0, 7_200_000), aged(0, 90_000), aged(0, 5_000), aged(1, 3_600_000)],
    });
    await producer.disconnect();
    await admin.setOffsets({
      groupId,
      topic: other,
      partitions: [
        { partition: 0, offset: '1' },
        { partition: 1, offset: '1' },
      ],
    });

    const [before] = await readBacklogs(admin, groupId, [other], nowMs);
    expect(before).toMatchObject({ topic: other, records: 2 });
    expect(before?.heads.map(({ partition, partitions }) => [partition, partitions])).toEqual([[0, 3]]);
    expect(before?.heads[0]?.ageMs).toBeGreaterThan(90_000 * 0.94);
    expect(before?.heads[0]?.ageMs).toBeLessThan(90_000 * 1.06);
    const [group] = await describeGroups(admin, [groupId]);
    expect(group).toEqual({ groupId, state: 'Empty', members: 0 });
  } finally {
    await admin.deleteTopics({ topics: [other] });
  }
});

test('the brokers are asked again and again, and that none answers is known within seconds', async () => {
  const here = createBrokerWatch(connection(), unique('watch'), log);
  await here.ask();
  await here.ask();
  await here.close();
  const away = createBrokerWatch({ ...connection(), brokers: ['127.0.0.1:1'] }, unique('watch'), log);
  const startedMs = performance.now();
  await expect(away.ask()).rejects.toThrow('no broker answers');
  await expect(away.ask()).rejects.toThrow('no broker answers');
  expect(performance.now() - startedMs).toBeLessThan(8_000);
  await away.close();
});
