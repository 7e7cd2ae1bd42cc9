import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerEventTypes } from '../../../src/cli/schemas.ts';
import { type Config, readConfig } from '../../../src/config.ts';
import { createCatalogue } from '../../../src/domain/catalogue.ts';
import { eventTopicOf } from '../../../src/domain/event-naming.ts';
import type { ConsumedRecord } from '../../../src/domain/record.ts';
import { loadEventTypes } from '../../../src/infrastructure/avro/catalogue-files.ts';
import { createEventReader } from '../../../src/infrastructure/avro/event-reader.ts';
import { createSchemaRegistry } from '../../../src/infrastructure/avro/registry.ts';
import { readEventTypes } from '../../../src/infrastructure/postgres/event-type-store.ts';
import { createPublisher } from '../../../src/posthorn.ts';
import { recordSchema } from '../../support/avro-records.ts';
import { testKafka } from '../../support/kafka.ts';
import { testServers } from '../../support/servers.ts';
import { createTestDatabase, type TestDatabase } from '../../support/test-database.ts';
import { unique } from '../../support/unique.ts';

const type = `${unique('shop')}.order_shipped`;
const schema = recordSchema(type, [
  { name: 'order_id', type: 'string' },
  { name: 'weight', type: { type: 'bytes', logicalType: 'decimal', precision: 8, scale: 3 }, default: '\u0000' },
]);
let folder = '';
let database: TestDatabase;
let config: Config;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-types-'));
  await writeFile(join(folder, `${type}.avsc`), JSON.stringify(schema));
  database = await createTestDatabase();
  const { kafkaBrokers, schemaRegistryUrl } = testServers();
  config = readConfig({
    POSTHORN_KAFKA_BROKERS: kafkaBrokers.join(','),
    POSTHORN_SCHEMA_REGISTRY_URL: schemaRegistryUrl,
    POSTHORN_DATABASE_URL: database.url,
  });
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

test('own types are registered once and for all: registry, topic and catalogue', async () => {
  const eventTypes = await loadEventTypes(folder);
  const first = await registerEventTypes(eventTypes, config);
  const second = await registerEventTypes(eventTypes, config);
  expect(first.createdTopics).toEqual([eventTopicOf(type)]);
  expect(second.createdTopics).toEqual([]);
  expect(second.schemaIds).toEqual(first.schemaIds);
  expect(await readEventTypes(database, [type])).toMatchObject([{ type, recordName: eventTypes[0]?.recordName }]);
});

test('a refused schema changes neither topics nor catalogue', async () => {
  await registerEventTypes(await loadEventTypes(folder), config);
  const [before] = await readEventTypes(database, [type]);
  await writeFile(
    join(folder, `${type}.avsc`),
    JSON.stringify(recordSchema(type, [{ name: 'order_id', type: 'int' }])),
  );
  await expect(registerEventTypes(await loadEventTypes(folder), config)).rejects.toMatchObject({
    code: 'schema_incompatible',
  });
  expect(await readEventTypes(database, [type])).toEqual([before]);
  await writeFile(join(folder, `${type}.avsc`), JSON.stringify(schema));
});

test('what the typed publisher sends through Kafka is read as the same event', async () => {
  const eventTypes = await loadEventTypes(folder);
  await registerEventTypes(eventTypes, config);
  const { kafkaBrokers, schemaRegistryUrl } = testServers();
  const publisher = await createPublisher<Record<string, unknown>>({
    kafkaBrokers,
    schemaRegistryUrl,
    schemas: folder,
    source: '/shop',
  });
  const published = await publisher.publish(
    type,
    { order_id: 'o-7', weight: '1.250' },
    { tenantId: 'acme', subject: 'o-7', time: '2026-01-19T10:30:00+01:00' },
  );
  await publisher.close();

  const record = await firstRecordOf(published.topic);
  const registry = createSchemaRegistry({ url: schemaRegistryUrl });
  const result = await createEventReader({ registry, catalogue: createCatalogue(eventTypes) }).read(record);
  expect(record.key?.toString()).toBe('o-7');
  expect(result.kind === 'event' && JSON.parse(result.event.body.toString())).toEqual({
    id: published.id,
    type,
    timestamp: '2026-01-19T09:30:00Z',
    data: { order_id: 'o-7', weight: '1.250' },
  });
});

async function firstRecordOf(topic: string): Promise<ConsumedRecord> {
  const consumer = testKafka().consumer({ groupId: unique('reader') });
  const { promise, resolve } = Promise.withResolvers<ConsumedRecord>();
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message: { offset, timestamp, key, value, headers = {} } }) => {
        resolve({ topic, partition, offset: Number(offset), timestampMs: Number(timestamp), key, value, headers });
      },
    });
    return await promise;
  } finally {
    await consumer.disconnect();
  }
}
