import { describe, expect, test } from 'vitest';
import { createEventDataCodec } from '../../../../src/infrastructure/avro/event-data-codec.ts';
import { anEventType, avroWriter } from '../../../support/avro-records.ts';

const record = (name: string, ...fields: object[]) => ({ type: 'record', name, doc: 'A record', fields });
const field = (name: string, type: unknown, rest: object = {}) => ({ name, type, doc: 'A field', ...rest });
const logical = (type: string, logicalType: string, rest: object = {}) => ({ type, logicalType, ...rest });
const symbols = {
  type: 'enum',
  name: 'Colour',
  doc: 'A colour',
  symbols: ['red', 'green', 'unknown'],
  default: 'unknown',
};

function codecOf(type: unknown) {
  const eventType = anEventType('table.row', [{ name: 'value', type }]);
  const writer = avroWriter(eventType.avroSchema);
  return { ...createEventDataCodec(eventType), writer, avro: writer.type };
}

/** What a receiver gets for an Avro value, after a trip over the wire. */
function renderedValue(type: unknown, avroValue: unknown): unknown {
  const codec = codecOf(type);
  const bytes = codec.avro.toBuffer({ value: avroValue });
  return (JSON.parse(JSON.stringify(codec.decoderFor(codec.writer)(bytes))) as { value: unknown }).value;
}

// [what, Avro type, Avro value as avsc has it (unions wrapped), what the receiver gets]
const MAPPING: [string, unknown, unknown, unknown][] = [
  ['null', 'null', null, null],
  ['boolean', 'boolean', true, true],
  ['int', 'int', -2_147_483_648, -2_147_483_648],
  ['long as number', 'long', 42, 42],
  ['the largest exact long', 'long', Number.MAX_SAFE_INTEGER, 9_007_199_254_740_991],
  ['2^53 as text', 'long', 2n ** 53n, '9007199254740992'],
  ['the smallest long as text', 'long', -(2n ** 63n), '-9223372036854775808'],
  ['float as the shortest decimal', 'float', Math.fround(0.1), 0.1],
  ['double', 'double', 0.1 + 0.2, 0.30000000000000004],
  ['string', 'string', 'Zoë "\u0000" 🎺', 'Zoë "\u0000" 🎺'],
  ['bytes as base64', 'bytes', Buffer.from([0, 255, 254]), 'AP/+'],
  ['no bytes', 'bytes', Buffer.alloc(0), ''],
  ['fixed as base64', { type: 'fixed', name: 'Four', size: 4 }, Buffer.from([1, 2, 3, 4]), 'AQIDBA=='],
  ['enum', symbols, 'green', 'green'],
  ['array', { type: 'array', items: 'long' }, [1, 2n ** 60n], [1, '1152921504606846976']],
  ['map', { type: 'map', values: 'bytes' }, { 'a b': Buffer.from('x') }, { 'a b': 'eA==' }],
  ['nested record', record('Inner', field('at', logical('int', 'date'))), { at: 0 }, { at: '1970-01-01' }],
  ['null of a union', ['null', 'string'], null, null],
  ['branch of a union', ['null', 'string'], { string: 'text' }, 'text'],
  ['logical branch of a union', ['null', logical('long', 'timestamp-millis')], { long: 0 }, '1970-01-01T00:00:00.000Z'],
  ['union of two numbers', ['int', 'double'], { double: 2.5 }, 2.5],
  [
    'union of two records',
    [record('A', field('a', 'int')), record('B', field('b', 'bytes'))],
    { 'posthorn.events.table.B': { b: Buffer.from('x') } },
    { b: 'eA==' },
  ],
  [
    'array of unions',
    { type: 'array', items: ['null', 'long', 'string'] },
    [null, { long: 1 }, { string: '1' }],
    [null, 1, '1'],
  ],
  ['decimal', logical('bytes', 'decimal', { precision: 6, scale: 2 }), Buffer.from([0x04, 0xd2]), '12.34'],
  ['negative decimal', logical('bytes', 'decimal', { precision: 6, scale: 2 }), Buffer.from([0xff]), '-0.01'],
  ['decimal zero', logical('bytes', 'decimal', { precision: 6, scale: 2 }), Buffer.from([0]), '0.00'],
  [
    'decimal without scale',
    logical('bytes', 'decimal', { precision: 20 }),
    Buffer.from('7fffffffffffffff', 'hex'),
    '9223372036854775807',
  ],
  [
    'decimal in a fixed',
    { type: 'fixed', name: 'Amount', size: 8, logicalType: 'decimal', precision: 10, scale: 3 },
    Buffer.from('fffffffffffffc18', 'hex'),
    '-1.000',
  ],
  [
    'decimal that is not valid as bytes',
    logical('bytes', 'decimal', { precision: 2, scale: 4 }),
    Buffer.from('x'),
    'eA==',
  ],
  [
    'uuid as is',
    logical('string', 'uuid'),
    '3F0D8C52-9A7E-4B1C-8D36-5E2F7A914C08',
    '3F0D8C52-9A7E-4B1C-8D36-5E2F7A914C08',
  ],
  [
    'uuid in a fixed',
    { type: 'fixed', name: 'Id', size: 16, logicalType: 'uuid' },
    Buffer.from('3f0d8c529a7e4b1c8d365e2f7a914c08', 'hex'),
    '3f0d8c52-9a7e-4b1c-8d36-5e2f7a914c08',
  ],
  ['date', logical('int', 'date'), 20_472, '2026-01-19'],
  ['date before 1970', logical('int', 'date'), -1, '1969-12-31'],
  ['time-millis', logical('int', 'time-millis'), 37_800_005, '10:30:00.005'],
  ['time-micros', logical('long', 'time-micros'), 86_399_999_999, '23:59:59.999999'],
  ['timestamp-millis', logical('long', 'timestamp-millis'), 1_768_818_600_123, '2026-01-19T10:30:00.123Z'],
  ['timestamp-millis before 1970', logical('long', 'timestamp-millis'), -1, '1969-12-31T23:59:59.999Z'],
  ['timestamp-micros', logical('long', 'timestamp-micros'), 1_768_818_600_123_456, '2026-01-19T10:30:00.123456Z'],
  ['timestamp-micros before 1970', logical('long', 'timestamp-micros'), -1, '1969-12-31T23:59:59.999999Z'],
  ['timestamp-nanos', logical('long', 'timestamp-nanos'), 1_768_818_600_123_456_789n, '2026-01-19T10:30:00.123456789Z'],
  ['local-timestamp-millis', logical('long', 'local-timestamp-millis'), 1_768_818_600_123, '2026-01-19T10:30:00.123'],
  ['local-timestamp-micros', logical('long', 'local-timestamp-micros'), 1, '1970-01-01T00:00:00.000001'],
  [
    'duration',
    { type: 'fixed', name: 'Span', size: 12, logicalType: 'duration' },
    Buffer.from('0100000002000000ac0d0000', 'hex'),
    'P1M2DT3.5S',
  ],
  ['no duration', { type: 'fixed', name: 'Span', size: 12, logicalType: 'duration' }, Buffer.alloc(12), 'PT0S'],
  ['unknown logical type as its own type', logical('string', 'iban'), 'DE02', 'DE02'],
];

describe('the form that receivers get', () => {
  test.each(MAPPING)('%s', (_what, type, avroValue, expected) => {
    expect(renderedValue(type, avroValue)).toStrictEqual(expected);
  });

  test.each(MAPPING)('%s, and back to the same bytes', (_what, type, avroValue, json) => {
    const codec = codecOf(type);
    expect(codec.encode({ value: json })).toStrictEqual(codec.avro.toBuffer({ value: avroValue }));
  });

  test.each(MAPPING)('%s is valid against the JSON Schema', (_what, type, _avroValue, json) => {
    expect(codecOf(type).violation({ value: json })).toBeNull();
  });
});

describe('values that JSON cannot express are refused with their place', () => {
  test.each([
    ['NaN', 'double', Number.NaN, /value is NaN/],
    ['infinity', 'double', Number.NEGATIVE_INFINITY, /is -Infinity/],
    ['infinite float', 'float', Number.POSITIVE_INFINITY, /is Infinity/],
    ['time after the year 9999', logical('long', 'timestamp-millis'), 253_402_300_800_000, /outside the years/],
    ['time before the year 0', logical('long', 'timestamp-micros'), -(2n ** 63n), /outside the years/],
    ['time that no day has', logical('int', 'time-millis'), 86_400_000, /not a time of day/],
    [
      'NaN deep inside',
      { type: 'array', items: record('Deep', field('score', 'double')) },
      [{ score: 1 }, { score: Number.NaN }],
      /value\[1\]\.score is NaN/,
    ],
  ])('%s', (_what, type, avroValue, message) => {
    expect(placeOf(() => renderedValue(type, avroValue))).toMatch(message);
  });
});

describe('data that does not fit is refused with its place', () => {
  test.each([
    ['missing field', record('Inner', field('id', 'string')), {}, 'value.id is missing'],
    ['text for a number', 'int', '1', 'value must be a whole number of 32 bits'],
    ['fraction for an int', 'int', 1.5, 'value must be a whole number of 32 bits'],
    ['int out of range', 'int', 2_147_483_648, 'value must be a whole number of 32 bits'],
    ['long out of range', 'long', '9223372036854775808', 'value does not fit into 64 bits'],
    ['inexact number for a long', 'long', 2 ** 53, 'value must be a whole number; one beyond 2^53 as text'],
    ['number beyond a float', 'float', 1e300, 'value must be a number of 32 bits'],
    ['number for text', 'string', 1, 'value must be text'],
    ['null for a boolean', 'boolean', null, 'value must be true or false'],
    ['something for null', 'null', 0, 'value must be null'],
    ['unknown symbol', symbols, 'blue', 'value must be one of red, green, unknown'],
    ['name of an object property as symbol', symbols, 'constructor', 'value must be one of red, green, unknown'],
    ['object for a list', { type: 'array', items: 'int' }, { 0: 1 }, 'value must be a list'],
    ['list for a map', { type: 'map', values: 'int' }, [1], 'value must be an object'],
    [
      'wrong item',
      { type: 'array', items: { type: 'map', values: 'int' } },
      [{}, { k: 'x' }],
      'value[1].k must be a whole number of 32 bits',
    ],
    ['not base64', 'bytes', '*', 'value must be base64'],
    ['too short for a fixed', { type: 'fixed', name: 'Four', size: 4 }, 'AQ==', 'value must be base64 of 4 bytes'],
    ['not a uuid', logical('string', 'uuid'), 'x', 'value must be a UUID'],
    [
      'too many decimals',
      logical('bytes', 'decimal', { precision: 6, scale: 2 }),
      '1.234',
      'value has more than 2 decimals',
    ],
    [
      'too many digits',
      logical('bytes', 'decimal', { precision: 4, scale: 2 }),
      '123.4',
      'value has more than 4 digits',
    ],
    [
      'too large for its fixed',
      { type: 'fixed', name: 'One', size: 1, logicalType: 'decimal', precision: 4 },
      '128',
      'value does not fit into 1 bytes',
    ],
    ['a day that no month has', logical('int', 'date'), '2026-02-30', 'value must be a date such as 2026-01-31'],
    [
      'a time without offset',
      logical('long', 'timestamp-millis'),
      '2026-01-19T10:30:00',
      'value must be an ISO 8601 time with an offset',
    ],
    [
      'a local time with offset',
      logical('long', 'local-timestamp-millis'),
      '2026-01-19T10:30:00Z',
      'value must be an ISO 8601 time without an offset',
    ],
    [
      'finer than milliseconds',
      logical('long', 'timestamp-millis'),
      '2026-01-19T10:30:00.1234Z',
      'value has more than 3 decimals',
    ],
    [
      'weeks in a duration',
      { type: 'fixed', name: 'Span', size: 12, logicalType: 'duration' },
      'P1W',
      'value must be a duration of months, days and seconds, such as P1M2DT3.5S',
    ],
    ['nothing of a union', ['int', 'boolean'], 'x', 'value fits none of int, boolean'],
    [
      'wrong inside the only branch',
      ['null', record('Inner', field('id', 'string'))],
      { id: 1 },
      'value.id must be text',
    ],
  ])('%s', (_what, type, json, expected) => {
    expect(placeOf(() => codecOf(type).encode({ value: json }))).toBe(expected);
  });
});

test('a time with an offset becomes the same instant in UTC', () => {
  const codec = codecOf(logical('long', 'timestamp-millis'));
  expect(codec.normalise({ value: '2026-01-19T12:30:00+02:00' })).toEqual({ value: '2026-01-19T10:30:00.000Z' });
});

test('missing fields get their defaults and unknown ones are dropped', () => {
  const eventType = anEventType('table.row', [
    field('id', 'string'),
    field('note', ['null', 'string'], { default: null }),
    field('colour', symbols, { default: 'red' }),
    field('digest', 'bytes', { default: '\u00ff' }),
    field('tags', { type: 'map', values: 'long' }, { default: { a: 1 } }),
  ]);
  const normalised = createEventDataCodec(eventType).normalise({ id: 'x', later: true });
  expect(normalised).toEqual({ id: 'x', note: null, colour: 'red', digest: '/w==', tags: { a: 1 } });
});

test('of two records in a union, the one that knows the given fields is taken', () => {
  const person = record('Person', field('name', 'string', { default: '' }), field('born', 'int', { default: 0 }));
  const company = record(
    'Company',
    field('name', 'string', { default: '' }),
    field('register', 'string', { default: '' }),
  );
  const codec = codecOf([person, company]);
  expect(codec.normalise({ value: { name: 'Acme', register: 'HRB 1' } })).toEqual({
    value: { name: 'Acme', register: 'HRB 1' },
  });
});

test('digits stay text where a union has text, so that leading zeros survive', () => {
  expect(codecOf(['null', 'long', 'string']).normalise({ value: '0049' })).toEqual({ value: '0049' });
});

test('a record that contains itself is read, written and described', () => {
  const tree = record(
    'Tree',
    field('name', 'string'),
    field('children', { type: 'array', items: 'Tree' }),
    field('score', 'double'),
  );
  const eventType = anEventType('table.forest', [{ name: 'root', type: tree }]);
  const codec = createEventDataCodec(eventType);
  const data = { root: { name: 'a', score: 1, children: [{ name: 'b', score: 2, children: [] }] } };
  expect(codec.normalise(data)).toEqual(data);
  expect(codec.violation(data)).toBeNull();
  expect(codec.violation({ root: { name: 'a', score: 1, children: [{ name: 5, score: 2, children: [] }] } })).toContain(
    'root',
  );
  expect(codec.violation({ root: { ...data.root, children: [{ name: 5, score: 2, children: [] }] } })).toContain(
    'children',
  );
  expect(eventType.sample).toEqual({ root: { name: 'name', children: [], score: 0.5 } });
});

function placeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    const mapping = error as { where?: (root: string) => string; reason?: string };
    if (mapping.where !== undefined) return `${mapping.where('data').replace('data.', '')} ${mapping.reason}`;
    throw error;
  }
  return 'nothing was refused';
}
