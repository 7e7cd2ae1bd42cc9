import { describe, expect, test } from 'vitest';
import { createCatalogue } from '../../../../src/domain/catalogue.ts';
import { AppError } from '../../../../src/domain/errors.ts';
import type { EventReadResult } from '../../../../src/domain/event.ts';
import type { RecordHeaders } from '../../../../src/domain/record.ts';
import { createEventReader } from '../../../../src/infrastructure/avro/event-reader.ts';
import { frame } from '../../../../src/infrastructure/avro/framing.ts';
import {
  anEventType,
  aRecord,
  avroWriter,
  eventHeaders,
  framedValue,
  readerFor,
  recordSchema,
} from '../../../support/avro-records.ts';

const TYPE = 'order.shipped';
const FIELDS = [
  { name: 'id', type: 'string' },
  { name: 'count', type: 'long' },
  { name: 'scores', type: { type: 'array', items: 'double' }, default: [] },
  { name: 'labels', type: { type: 'map', values: 'string' }, default: {} },
];
const shipped = anEventType(TYPE, FIELDS);
const lost = anEventType('order.lost', [{ name: 'id', type: 'string' }]);
const schemas = new Map<number, unknown>([
  [1, shipped.avroSchema],
  [2, lost.avroSchema],
  [3, recordSchema(TYPE, [{ name: 'id', type: 'int' }])],
  [4, { type: 'array', items: 'null' }],
  [5, recordSchema('order.unheard', [{ name: 'id', type: 'string' }])],
]);
const reader = readerFor([shipped, lost], schemas, 2000);
const value = { id: 'a', count: 3, scores: [0.5], labels: {} };
const good = framedValue(1, shipped.avroSchema, value);
const JSON_HEADERS = eventHeaders(TYPE, { 'content-type': 'application/json; charset=utf-8' });

function read(bytes: Buffer | null, headers: RecordHeaders = eventHeaders(TYPE)): EventReadResult {
  const result = reader.read(aRecord(bytes, headers));
  if (result instanceof Promise) throw new Error('the reader should have answered at once');
  return result;
}

function refusal(bytes: Buffer | null, headers?: RecordHeaders): [string, string] {
  const result = read(bytes, headers);
  if (result.kind === 'event') throw new Error('the record should have been refused');
  return [result.rejection.reason, result.rejection.message];
}

describe('a good record becomes an event', () => {
  test('in Avro, with the exact body that receivers get', () => {
    const result = read(
      good,
      eventHeaders(TYPE, { ce_subject: Buffer.from('order-7'), ce_time: '2026-01-19T12:30:00.5+02:00' }),
    );
    expect(result).toEqual({
      kind: 'event',
      event: {
        id: 'evt-1',
        type: TYPE,
        source: '/tests',
        time: '2026-01-19T10:30:00.5Z',
        tenantId: 'acme',
        subject: 'order-7',
        traceparent: null,
        body: Buffer.from(
          '{"id":"evt-1","type":"order.shipped","timestamp":"2026-01-19T10:30:00.5Z","data":{"id":"a","count":3,"scores":[0.5],"labels":{}}}',
        ),
      },
    });
  });

  test('in JSON, brought into the same form', () => {
    const result = read(Buffer.from('{"later":1,"count":"9007199254740993","id":"a"}'), JSON_HEADERS);
    expect(bodyOf(result).data).toEqual({ id: 'a', count: '9007199254740993', scores: [], labels: {} });
  });

  test('written with an older schema, missing fields filled in', () => {
    const older = recordSchema(TYPE, FIELDS.slice(0, 2));
    const result = readerFor([shipped], new Map([[9, older]])).read(
      aRecord(framedValue(9, older, { id: 'a', count: 1 }), eventHeaders(TYPE)),
    );
    expect(bodyOf(result).data).toEqual({ id: 'a', count: 1, scores: [], labels: {} });
  });

  test('written with a newer schema, new fields dropped', () => {
    const newer = recordSchema(TYPE, [{ name: 'first', type: 'string', default: '' }, ...FIELDS]);
    const result = readerFor([shipped], new Map([[9, newer]])).read(
      aRecord(framedValue(9, newer, { first: 'x', ...value }), eventHeaders(TYPE)),
    );
    expect(bodyOf(result).data).toEqual(value);
  });

  test('written with an int where the catalogue has grown to a long', () => {
    const older = recordSchema(TYPE, [FIELDS[0] ?? {}, { name: 'count', type: 'int' }]);
    const result = readerFor([shipped], new Map([[9, older]])).read(
      aRecord(framedValue(9, older, { id: 'a', count: 1 }), eventHeaders(TYPE)),
    );
    expect(bodyOf(result).data).toMatchObject({ count: 1 });
  });
});

describe('a broken record is refused with a stable reason', () => {
  const changed = (changes: RecordHeaders) => eventHeaders(TYPE, changes);
  test.each<[string, Buffer | null, RecordHeaders | undefined, ...rest: [string, RegExp]]>([
    ['no headers', good, {}, 'missing_attribute', /ce_specversion/],
    ['no ce_id', good, changed({ ce_id: undefined }), 'missing_attribute', /ce_id/],
    ['structured mode', good, { 'content-type': 'application/cloudevents+json' }, 'missing_attribute', /binary mode/],
    ['an id with a space', good, changed({ ce_id: 'a b' }), 'invalid_attribute', /ce_id/],
    ['type all', good, eventHeaders('all'), 'unknown_type', /all/],
    ['type test', good, eventHeaders('test'), 'unknown_type', /test/],
    ['unheard-of type', good, eventHeaders('order.unheard'), 'unknown_type', /order\.unheard/],
    ['no value', null, undefined, 'bad_framing', /no value/],
    ['no JSON value', null, JSON_HEADERS, 'bad_framing', /no value/],
    ['empty value', Buffer.alloc(0), undefined, 'bad_framing', /0 bytes/],
    ['four bytes', Buffer.alloc(4), undefined, 'bad_framing', /4 bytes/],
    ['another magic byte', Buffer.from('{"id":"a"}'), undefined, 'bad_framing', /byte 123/],
    ['unknown schema', frame(77, Buffer.alloc(9)), undefined, 'unknown_schema', /77/],
    ['negative schema id', frame(-1, Buffer.alloc(9)), undefined, 'unknown_schema', /-1/],
    ['value of another type', framedValue(2, lost.avroSchema, { id: 'a' }), undefined, 'type_mismatch', /order\.lost/],
    [
      'value of a strange record',
      framedValue(5, schemas.get(5), { id: 'a' }),
      undefined,
      'type_mismatch',
      /order\.Unheard/,
    ],
    ['value without a name', frame(4, Buffer.from([0])), undefined, 'type_mismatch', /no name/],
    ['incompatible writer', framedValue(3, schemas.get(3), { id: 1 }), undefined, 'decode_failed', /schema 3/],
    ['nothing after the framing', frame(1, Buffer.alloc(0)), undefined, 'decode_failed', /ends in the middle/],
    ['cut off', good.subarray(0, -1), undefined, 'decode_failed', /ends in the middle/],
    ['followed by more', Buffer.concat([good, Buffer.from('xy')]), undefined, 'decode_failed', /2 bytes are left over/],
    ['text of negative length', frame(1, Buffer.from([1])), undefined, 'decode_failed', /ends in the middle/],
    ['a trillion items', frame(1, Buffer.from('0026808080808040', 'hex')), undefined, 'decode_failed', /items/],
    ['a number without end', frame(1, Buffer.alloc(40, 0xff)), undefined, 'decode_failed', /64 bits/],
    [
      'NaN',
      framedValue(1, shipped.avroSchema, { ...value, scores: [1, Number.NaN] }),
      undefined,
      'schema_violation',
      /data\.scores\[1\] is NaN/,
    ],
    [
      'a map key that would vanish',
      framedValue(1, shipped.avroSchema, { ...value, labels: JSON.parse('{"__proto__":"x"}') }),
      undefined,
      'decode_failed',
      /__proto__/,
    ],
    [
      'too large',
      framedValue(1, shipped.avroSchema, { ...value, id: 'x'.repeat(2000) }),
      undefined,
      'too_large',
      /2000 bytes/,
    ],
    [
      'too large in JSON',
      Buffer.from(JSON.stringify({ ...value, id: 'ü'.repeat(1000) })),
      JSON_HEADERS,
      'too_large',
      /2000 bytes/,
    ],
    ['not JSON', good, JSON_HEADERS, 'decode_failed', /not JSON/],
    [
      'deep JSON',
      Buffer.from('['.repeat(900) + ']'.repeat(900)),
      JSON_HEADERS,
      'schema_violation',
      /must be an object/,
    ],
    ['a JSON list', Buffer.from('[]'), JSON_HEADERS, 'schema_violation', /data must be an object/],
    ['JSON without a field', Buffer.from('{"id":"a"}'), JSON_HEADERS, 'schema_violation', /data\.count is missing/],
    [
      'JSON with a wrong field',
      Buffer.from('{"id":1,"count":2}'),
      JSON_HEADERS,
      'schema_violation',
      /data\.id must be text/,
    ],
  ])('%s', (_what, bytes, headers, ...[reason, message]) => {
    const [actualReason, actualMessage] = refusal(bytes, headers);
    expect(actualReason).toBe(reason);
    expect(actualMessage).toMatch(message);
    expect(actualMessage).not.toMatch(/\n| at \//);
  });

  test('a good record after a broken one is read as ever', () => {
    refusal(frame(1, Buffer.from('0026808080808040', 'hex')));
    expect(read(good).kind).toBe('event');
  });
});

test.each([
  ['timestamp', { type: 'long', logicalType: 'timestamp-millis' }, { type: 'long', logicalType: 'timestamp-micros' }],
  [
    'decimal',
    { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 },
    { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 4 },
  ],
])('a %s of another unit is refused, not misread', (_what, written, current) => {
  const eventType = anEventType(TYPE, [{ name: 'sum', type: ['null', current] }]);
  const writer = recordSchema(TYPE, [{ name: 'sum', type: ['null', written] }]);
  const bytes = framedValue(9, writer, { sum: null });
  const result = readerFor([eventType], new Map([[9, writer]])).read(aRecord(bytes, eventHeaders(TYPE)));
  expect(result).toMatchObject({
    kind: 'rejected',
    rejection: { reason: 'decode_failed', message: expect.stringContaining('the meaning of sum changes') },
  });
});

test('a record deep inside itself is refused before the stack ends', () => {
  const node = {
    type: 'record',
    name: 'Node',
    doc: 'A node',
    fields: [{ name: 'next', doc: 'Next', type: ['null', 'Node'] }],
  };
  const chain = anEventType('order.chain', [{ name: 'first', type: ['null', node] }]);
  const bytes = frame(1, Buffer.concat([Buffer.alloc(200_000, 2), Buffer.from([0])]));
  const result = readerFor([chain], new Map([[1, chain.avroSchema]])).read(aRecord(bytes, eventHeaders('order.chain')));
  expect(result).toMatchObject({ kind: 'rejected', rejection: { reason: 'decode_failed' } });
});

test('random bytes after good framing never throw', () => {
  for (let seed = 1; seed <= 2000; seed += 1) {
    const bytes = Buffer.from(Array.from({ length: seed % 40 }, (_, index) => (seed * 31 + index * index * 17) % 256));
    expect(['event', 'rejected']).toContain(read(frame(1, bytes)).kind);
  }
});

describe('an outage is never a reason', () => {
  const unavailable = new AppError('unavailable', 'down');
  const catalogue = createCatalogue([shipped]);

  test('of the registry', async () => {
    const broken = createEventReader({ registry: { writerSchema: () => Promise.reject(unavailable) }, catalogue });
    await expect(broken.read(aRecord(good, eventHeaders(TYPE)))).rejects.toBe(unavailable);
  });

  test('of the catalogue, when a type is not known yet', async () => {
    const registry = { writerSchema: () => Promise.reject(unavailable) };
    const broken = createEventReader({ registry, catalogue, refreshCatalogue: () => Promise.reject(unavailable) });
    await expect(broken.read(aRecord(good, eventHeaders('order.new')))).rejects.toBe(unavailable);
  });
});

test('a type registered a moment ago is found after a refresh', async () => {
  const catalogue = createCatalogue([]);
  const registry = {
    writerSchema: (id: number) => avroWriter(shipped.avroSchema, id),
  };
  const refreshing = createEventReader({
    registry,
    catalogue,
    refreshCatalogue: async () => catalogue.replace([shipped]),
  });
  expect(await refreshing.read(aRecord(good, eventHeaders(TYPE)))).toMatchObject({ kind: 'event' });
});

test('a new version of a type in the catalogue is used from then on', () => {
  const catalogue = createCatalogue([shipped]);
  const registry = {
    writerSchema: (id: number) => avroWriter(shipped.avroSchema, id),
  };
  const following = createEventReader({ registry, catalogue });
  expect(bodyOf(following.read(aRecord(good, eventHeaders(TYPE)))).data).toEqual(value);
  catalogue.replace([anEventType(TYPE, [...FIELDS, { name: 'carrier', type: 'string', default: 'post' }])]);
  expect(bodyOf(following.read(aRecord(good, eventHeaders(TYPE)))).data).toMatchObject({ carrier: 'post' });
});

function bodyOf(result: EventReadResult | Promise<EventReadResult>): { data: unknown } {
  if (result instanceof Promise || result.kind !== 'event') throw new Error(`not an event: ${JSON.stringify(result)}`);
  return JSON.parse(result.event.body.toString()) as { data: unknown };
}
