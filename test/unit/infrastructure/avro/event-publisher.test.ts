import { expect, test } from 'vitest';
import { createCatalogue } from '../../../../src/domain/catalogue.ts';
import type { OutgoingRecord } from '../../../../src/domain/record.ts';
import type { EventDataByType } from '../../../../src/generated/event-data.ts';
import { createEventPublisher, type PublishAttributes } from '../../../../src/infrastructure/avro/event-publisher.ts';
import { createEventReader } from '../../../../src/infrastructure/avro/event-reader.ts';
import { anEventType, aRecord } from '../../../support/avro-records.ts';
import { memoryRegistry } from '../../../support/memory-registry.ts';

const shipped = anEventType('order.shipped', [
  { name: 'id', type: 'string' },
  { name: 'weight', type: 'double', default: 0 },
]);

function setUp() {
  const registry = memoryRegistry();
  registry.register(shipped.avroSchema);
  const records: OutgoingRecord[] = [];
  const publisher = createEventPublisher<Record<string, unknown>>({
    publish: async (outgoing) => void records.push(...outgoing),
    registry,
    eventTypes: [shipped],
    source: '/shop',
    now: () => Date.UTC(2026, 0, 19),
  });
  return { publisher, records, registry };
}

test('what is published is what the router reads', async () => {
  const { publisher, records, registry } = setUp();
  await publisher.publish('order.shipped', { id: 'a' }, { tenantId: 'acme', subject: 'order-7', id: 'evt-1' });
  const [record] = records;
  expect(record).toMatchObject({ topic: 'events.order', key: 'order-7' });
  const reader = createEventReader({ registry, catalogue: createCatalogue([shipped]) });
  const result = await reader.read(aRecord(record?.value ?? null, record?.headers ?? {}));
  expect(result).toMatchObject({ kind: 'event', event: { tenantId: 'acme', source: '/shop', subject: 'order-7' } });
  expect(result.kind === 'event' ? result.event.body.toString() : '').toBe(
    '{"id":"evt-1","type":"order.shipped","timestamp":"2026-01-19T00:00:00.000Z","data":{"id":"a","weight":0}}',
  );
});

test('without subject and id, the key is a fresh id', async () => {
  const { publisher, records } = setUp();
  const first = await publisher.publish('order.shipped', { id: 'a' }, { tenantId: 'acme' });
  const second = await publisher.publish('order.shipped', { id: 'a' }, { tenantId: 'acme' });
  expect(records.map(({ key }) => key)).toEqual([first.id, second.id]);
  expect(first.id).not.toBe(second.id);
});

test('the schema id is looked up once per type', async () => {
  const { publisher, registry } = setUp();
  for (const id of ['a', 'b', 'c']) await publisher.publish('order.shipped', { id }, { tenantId: 'acme' });
  expect(registry.lookUps).toEqual(['posthorn.events.order.Shipped']);
});

test.each<[string, string, object, ...rest: [PublishAttributes, string, string]]>([
  [
    'data that does not fit',
    'order.shipped',
    {},
    { tenantId: 'acme' },
    'bad_request',
    'order.shipped: data.id is missing',
  ],
  ['a tenant that is empty', 'order.shipped', { id: 'a' }, { tenantId: '' }, 'bad_request', 'ce_tenantid is empty'],
  [
    'an id that cannot travel',
    'order.shipped',
    { id: 'a' },
    { tenantId: 'acme', id: 'a b' },
    'bad_request',
    'ce_id must be 1 to 64 letters, digits, - or _',
  ],
  [
    'a type without schema',
    'order.lost',
    { id: 'a' },
    { tenantId: 'acme' },
    'not_found',
    'there is no schema for the event type order.lost',
  ],
])('%s is refused before Kafka sees it', async (_what, type, data, ...[attributes, code, message]) => {
  const { publisher, records } = setUp();
  await expect(publisher.publish(type, data, attributes)).rejects.toMatchObject({ code, message });
  expect(records).toEqual([]);
});

test('types and data are checked by the compiler', () => {
  const publisher = createEventPublisher<EventDataByType>({
    publish: async () => {},
    registry: memoryRegistry(),
    eventTypes: [],
    source: '/shop',
  });
  const typed = () => [
    // @ts-expect-error -- no such event type
    publisher.publish('case.closed', {}, { tenantId: 'acme' }),
    // @ts-expect-error -- a case has no such status, and fields are missing
    publisher.publish('case.resolved', { resolution: 'forgotten' }, { tenantId: 'acme' }),
  ];
  expect(typed).toBeTypeOf('function');
});
