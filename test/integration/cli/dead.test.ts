import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { deadCommand } from '../../../src/cli/dead.ts';
import { formatRecordId } from '../../../src/domain/dead-letter.ts';
import { deliveryIdOf } from '../../../src/domain/delivery-id.ts';
import type { DeliveryRecord } from '../../../src/domain/delivery-record.ts';
import type { DeadLetterEntry } from '../../../src/domain/log-entries.ts';
import type { RecordCodec } from '../../../src/infrastructure/avro/codec.ts';
import { createDeliveryCodec, registerInternalSchemas } from '../../../src/infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../../../src/infrastructure/avro/registry.ts';
import { aDeadLetter, storedHeaders } from '../../support/dead-letters.ts';
import { createTopic, readAll, testKafka } from '../../support/kafka.ts';
import { aBatch, createTestStore, type TestStore } from '../../support/recorder-store.ts';
import { testServers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';

const kafka = testKafka();
const registry = createSchemaRegistry({ url: testServers().schemaRegistryUrl });
let log: TestStore;
let codec: RecordCodec<DeliveryRecord>;
let prefix: string;
let lines: string[];

beforeAll(async () => {
  log = await createTestStore();
  await registerInternalSchemas(registry);
  codec = await createDeliveryCodec(registry);
});
afterAll(() => log[Symbol.asyncDispose]());
beforeEach(() => {
  prefix = `${unique('dead')}.`;
  const { kafkaBrokers, schemaRegistryUrl } = testServers();
  vi.stubEnv('POSTHORN_DATABASE_URL', log.database.url);
  vi.stubEnv('POSTHORN_KAFKA_BROKERS', kafkaBrokers.join(','));
  vi.stubEnv('POSTHORN_SCHEMA_REGISTRY_URL', schemaRegistryUrl);
  vi.stubEnv('POSTHORN_TOPIC_PREFIX', prefix);
  const note = (line: unknown) => void lines.push(String(line));
  vi.spyOn(console, 'log').mockImplementation(note);
  vi.spyOn(console, 'error').mockImplementation(note);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Runs the command; the exit code and what it printed. */
async function dead(...args: string[]) {
  lines = [];
  const code = await deadCommand.run(args);
  return { code, printed: lines.join('\n') };
}

async function record(...deadLetters: DeadLetterEntry[]): Promise<void> {
  await log.store.writeBatch(aBatch({ deadLetters }));
}

function aDelivery(): DeliveryRecord {
  return {
    delivery_id: randomUUID(),
    webhook_id: randomUUID(),
    tenant_id: 'acme',
    event_id: unique('evt'),
    event_type: 'case.opened',
    event_source: '/cases',
    event_time: '2026-11-23T10:00:00Z',
    subject: null,
    replay_id: null,
    created_at_ms: Date.now() - 120_000,
    attempt: 10,
    not_before_ms: 1,
    waiting_since_ms: 2,
    rewrites: 3,
    traceparent: null,
    body: Buffer.from('{"id":"ü"}'),
  };
}

function deadDelivery(delivery: DeliveryRecord, differing: Partial<DeadLetterEntry> = {}): DeadLetterEntry {
  const { webhook_id: webhookId, delivery_id: deliveryId } = delivery;
  const value = codec.encode(delivery);
  return aDeadLetter({ topic: `${prefix}deliveries.dead`, webhookId, deliveryId, value, ...differing });
}

test('dead list tells when, why, whose and where from', async () => {
  const delivery = aDelivery();
  const letter = deadDelivery(delivery, { offset: 4 });
  await record(letter);

  const listed = await dead('list', '--json');

  expect(listed.code).toBe(0);
  expect(JSON.parse(listed.printed)).toEqual([
    {
      id: `${prefix}deliveries.dead/0/4`,
      at: new Date(letter.timestampMs).toISOString(),
      reason: 'attempts_exhausted',
      error: 'HTTP 500',
      tenant_id: 'acme',
      event_type: 'case.opened',
      event_id: 'evt-1',
      webhook_id: delivery.webhook_id,
      source: 'events.case/3/17',
      redriven_at: null,
    },
  ]);
  expect((await dead('list', '--events')).printed).toBe('There are no dead letters.');
});

test('a redriven delivery is a new one from the first attempt on, ready to be sent, and is sent once', async () => {
  const ready = `${prefix}deliveries.ready`;
  await createTopic(kafka, ready);
  const delivery = aDelivery();
  const letter = deadDelivery(delivery);
  await record(letter);
  const id = formatRecordId(letter);

  expect(await dead('redrive', id)).toEqual({ code: 0, printed: `sent again: ${id}` });
  const again = await dead('redrive', id);

  expect(again).toEqual({ code: 0, printed: expect.stringMatching(/^was sent again at \d{4}-/) });
  const records = await readAll(kafka, ready);
  expect(records.map(({ key }) => key)).toEqual([delivery.webhook_id]);
  const sent = await codec.decode(records[0]?.value ?? Buffer.alloc(0));
  const identity = { tenantId: 'acme', source: '/cases', eventId: delivery.event_id, webhookId: delivery.webhook_id };
  expect({ ...sent }).toEqual({
    ...delivery,
    delivery_id: deliveryIdOf({ ...identity, replayId: id }),
    replay_id: id,
    attempt: 1,
    not_before_ms: 0,
    waiting_since_ms: 0,
    rewrites: 0,
  });
});

test('a redriven event goes back to its topic with its own key, value and headers', async () => {
  const input = `events.${unique('in')}`;
  await createTopic(kafka, input);
  const headers = storedHeaders({
    ce_id: ['evt-1'],
    twice: ['a', Buffer.from([0xff])],
    'posthorn-reason': ['unknown_schema'],
    'posthorn-source': [`${input}/0/5`],
  });
  const about = { topic: `${prefix}events.dead`, source: `${input}/0/5`, reason: 'unknown_schema', headers };
  await record(aDeadLetter({ ...about, key: Buffer.from('k'), value: Buffer.from([0, 1]) }));

  expect(await dead('redrive', '--all', '--events')).toEqual({ code: 0, printed: '1 sent again' });

  const [sent, ...others] = await readWithHeaders(input);
  expect(others).toEqual([]);
  expect(sent?.key).toEqual(Buffer.from('k'));
  expect(sent?.value).toEqual(Buffer.from([0, 1]));
  expect(sent?.headers).toEqual({ ce_id: Buffer.from('evt-1'), twice: [Buffer.from('a'), Buffer.from([0xff])] });
});

test('redrive --all takes only the reason it is told, says what cannot be sent, and leaves it as it was', async () => {
  await createTopic(kafka, `${prefix}deliveries.ready`);
  const good = Array.from({ length: 25 }, (_, offset) => deadDelivery(aDelivery(), { offset }));
  const unreadable = deadDelivery(aDelivery(), { offset: 90, value: Buffer.from('no delivery') });
  const other = deadDelivery(aDelivery(), { offset: 91, reason: 'webhook_gone' });
  await record(...good, unreadable, other);

  const { code, printed } = await dead('redrive', '--all', '--reason', 'attempts_exhausted');

  expect(code).toBe(1);
  expect(printed).toContain('25 sent again, 1 could not be');
  expect(printed).toContain(`not sent: ${prefix}deliveries.dead/0/90: `);
  expect(await readAll(kafka, `${prefix}deliveries.ready`)).toHaveLength(25);
  const waiting = JSON.parse((await dead('list', '--json')).printed).filter(
    (row: { redriven_at: string | null }) => row.redriven_at === null,
  );
  expect(waiting.map((row: { id: string }) => row.id.split('/')[2]).toSorted()).toEqual(['90', '91']);
});

test('a dead letter that does not exist is named, and the exit code says so', async () => {
  const { code, printed } = await dead('redrive', `${prefix}deliveries.dead/0/1`);
  expect([code, printed]).toEqual([1, `there is no dead letter ${prefix}deliveries.dead/0/1`]);
});

test.each([
  { args: [], says: 'one of list, redrive' },
  { args: ['redrive'], says: 'needs the IDs' },
  { args: ['redrive', 'x'], says: '"x" is not the ID' },
  { args: ['redrive', '--all', 'a/1/2'], says: 'not both' },
  { args: ['redrive', 'a/1/2', '--events'], says: 'belong to list' },
  { args: ['list', '--limit', '0'], says: '--limit must be' },
  { args: ['list', 'a/1/2'], says: 'neither IDs' },
])('the arguments $args are refused with the reason and the usage', async ({ args, says }) => {
  const { code, printed } = await dead(...args);
  expect(code).toBe(2);
  expect(printed).toContain(says);
  expect(printed).toContain('posthorn dead list');
});

async function readWithHeaders(topic: string) {
  const consumer = kafka.consumer({ groupId: unique('reader'), maxWaitTimeInMs: 100 });
  const first = Promise.withResolvers<void>();
  const messages: { key: Buffer | null; value: Buffer | null; headers: unknown }[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message: { key, value, headers } }) => {
      messages.push({ key, value, headers });
      first.resolve();
    },
  });
  await first.promise;
  await consumer.disconnect();
  return messages;
}
