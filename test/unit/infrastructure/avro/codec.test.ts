import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { AttemptRecord } from '../../../../src/domain/attempt-record.ts';
import type { DeliveryRecord } from '../../../../src/domain/delivery-record.ts';
import { parseEventType } from '../../../../src/infrastructure/avro/avro-type.ts';
import { createRecordCodec } from '../../../../src/infrastructure/avro/codec.ts';
import { createAttemptCodec, createDeliveryCodec } from '../../../../src/infrastructure/avro/internal-schemas.ts';
import { memoryRegistry } from '../../../support/memory-registry.ts';

interface Schema {
  readonly fields: readonly { readonly name: string }[];
}
const readSchema = (name: string): Schema =>
  JSON.parse(readFileSync(new URL(`../../../../schemas/${name}.avsc`, import.meta.url), 'utf8')) as Schema;
const deliverySchema = readSchema('delivery');
const attemptSchema = readSchema('attempt');

const delivery: DeliveryRecord = {
  delivery_id: '5f0c7d1a-8e4b-5a39-9b6d-2c1e0f7a8d34',
  webhook_id: 'f67f165d-0d1e-4eb7-81e6-3494a260dcd4',
  tenant_id: 'acme',
  event_id: 'evt-1',
  event_type: 'screening.completed',
  event_source: '/tests',
  event_time: '2026-01-19T10:30:00Z',
  subject: 'customer-7',
  replay_id: null,
  created_at_ms: 1_768_818_600_123,
  attempt: 3,
  not_before_ms: 0,
  waiting_since_ms: 1_768_818_600_456,
  rewrites: 1,
  traceparent: null,
  body: Buffer.from('{"id":"evt-1"}'),
};
const attempt: AttemptRecord = {
  attempt_id: '0d9b3c6e-1f57-4a82-bc40-7e6d5f2a9183',
  delivery_id: delivery.delivery_id,
  webhook_id: delivery.webhook_id,
  tenant_id: 'acme',
  event_id: 'evt-1',
  event_type: 'screening.completed',
  subject: null,
  replay_id: null,
  delivery_created_at_ms: delivery.created_at_ms,
  attempt: 3,
  kind: 'attempted',
  outcome: 'retrying',
  failure_code: 'http_500',
  failure_message: 'the receiver answered 500',
  status_code: 500,
  started_at_ms: 1_768_818_600_789,
  duration_us: 1234,
  dns_us: null,
  connect_us: null,
  tls_us: null,
  first_byte_us: 1200,
  request_url: 'https://example.com/',
  request_headers: '{}',
  response_headers: '{}',
  response_body: Buffer.from('no'),
  next_attempt_at_ms: 1_768_818_900_789,
  webhook_version: 12,
  webhook_state: null,
  delivery: null,
};

async function registered() {
  const registry = memoryRegistry();
  registry.register(deliverySchema);
  registry.register(attemptSchema);
  return { deliveries: await createDeliveryCodec(registry), attempts: await createAttemptCodec(registry), registry };
}

test('a delivery survives the wire, at once and in the framing of the registry', async () => {
  const { deliveries } = await registered();
  const bytes = deliveries.encode(delivery);
  expect(bytes.subarray(0, 5)).toEqual(Buffer.from([0, 0, 0, 0, 1]));
  expect({ ...(deliveries.decode(bytes) as DeliveryRecord) }).toEqual(delivery);
});

test('an attempt survives the wire', async () => {
  const { attempts } = await registered();
  expect({ ...(attempts.decode(attempts.encode(attempt)) as AttemptRecord) }).toEqual(attempt);
});

test('the fields of the types are those of the schemas', () => {
  expect(Object.keys(delivery)).toEqual(deliverySchema.fields.map(({ name }) => name));
  expect(Object.keys(attempt)).toEqual(attemptSchema.fields.map(({ name }) => name));
});

test('records larger than any before are written whole, and earlier ones are not changed by later ones', async () => {
  const { deliveries } = await registered();
  const first = deliveries.encode(delivery);
  const copy = Buffer.from(first);
  const large = { ...delivery, body: Buffer.alloc(1_048_576, 'x') };
  const decoded = deliveries.decode(deliveries.encode(large)) as DeliveryRecord;
  // Not toEqual, which takes seconds for a body of a million bytes.
  expect(decoded.body.equals(large.body)).toBe(true);
  expect({ ...(deliveries.decode(deliveries.encode(delivery)) as DeliveryRecord) }).toEqual(delivery);
  expect(first).toEqual(copy);
});

test('a record of an older version gets the defaults of the new fields, later ones at once', async () => {
  const { deliveries, registry } = await registered();
  const older = { ...deliverySchema, fields: deliverySchema.fields.filter(({ name }) => name !== 'rewrites') };
  const id = registry.register(older);
  const bytes = Buffer.concat([
    Buffer.from([0, 0, 0, 0, id]),
    toAvro(older, { ...delivery, subject: { string: 'customer-7' } }),
  ]);
  const decoded = deliveries.decode(bytes);
  expect(decoded).toBeInstanceOf(Promise);
  expect({ ...(await decoded) }).toEqual({ ...delivery, rewrites: 0 });
  expect({ ...(deliveries.decode(bytes) as DeliveryRecord) }).toEqual({ ...delivery, rewrites: 0 });
});

test('attempts of the version before parking are read, and that version reads newer ones', async () => {
  const { attempts, registry } = await registered();
  const fields = attemptSchema.fields.filter(({ name }) => name !== 'delivery');
  const older = JSON.parse(JSON.stringify({ ...attemptSchema, fields }).replace(',"parked"', '')) as Schema;
  registry.register(older);
  const before = await createRecordCodec<Record<string, unknown>>(older, registry);
  const { delivery: _, ...known } = attempt;
  expect({ ...(await attempts.decode(before.encode(known))) }).toEqual({ ...attempt, delivery: null });
  const parked = { ...attempt, outcome: 'parked' as const, delivery: Buffer.from('all of it') };
  expect(await before.decode(attempts.encode(parked))).toMatchObject({ ...known, outcome: 'unknown' });
});

test('an enum symbol of a newer version is read as unknown', async () => {
  const { attempts, registry } = await registered();
  const newer = JSON.parse(JSON.stringify(attemptSchema).replace('"set_aside"', '"set_aside","paused"')) as Schema;
  const id = registry.register(newer);
  const writer = await createRecordCodec<Record<string, unknown>>(newer, registry);
  const decoded = await attempts.decode(writer.encode({ ...attempt, kind: 'paused' }));
  expect(id).toBe(3);
  expect(decoded.kind).toBe('unknown');
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['another magic byte', Buffer.from('hello')],
  ['a cut value', Buffer.from([0, 0, 0, 0, 1, 6])],
  ['an unknown schema', Buffer.from([0, 0, 0, 0, 99, 6])],
])('%s is no record', async (_what, bytes) => {
  const { deliveries } = await registered();
  await expect((async () => await deliveries.decode(bytes))()).rejects.toMatchObject({ code: 'bad_request' });
});

test('a codec needs its schema to be registered', async () => {
  await expect(createDeliveryCodec(memoryRegistry())).rejects.toMatchObject({ code: 'not_found' });
});

function toAvro(schema: unknown, value: unknown): Buffer {
  return parseEventType(schema).toBuffer(value);
}
