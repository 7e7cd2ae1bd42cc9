import { describe, expect, test } from 'vitest';
import { readEventAttributes, toUtcTime } from '../../../src/domain/event-attributes.ts';
import type { RecordHeaders } from '../../../src/domain/record.ts';

const GOOD: RecordHeaders = {
  ce_specversion: '1.0',
  ce_id: 'evt-1',
  ce_source: 'urn:example:shop',
  ce_type: 'order.shipped',
  ce_time: '2026-01-19T10:30:00Z',
  ce_tenantid: 'acme',
};
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('the instant of an event in UTC', () => {
  test.each([
    ['2026-01-19T10:30:00Z', '2026-01-19T10:30:00Z'],
    ['2026-01-19t10:30:00z', '2026-01-19T10:30:00Z'],
    ['2026-01-19 10:30:00Z', '2026-01-19T10:30:00Z'],
    ['2026-01-01T00:30:00+01:00', '2025-12-31T23:30:00Z'],
    ['2026-01-19T10:30:00.123456789-05:30', '2026-01-19T16:00:00.123456789Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
    ['2024-02-29T00:00:00-00:00', '2024-02-29T00:00:00Z'],
  ])('%s is %s', (text, expected) => {
    expect(toUtcTime(text)).toBe(expected);
  });

  test.each([
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-19T24:00:00Z',
    '2026-01-19T10:60:00Z',
    '2026-01-19T10:30:61Z',
    '2026-01-19T10:30:00',
    '2026-01-19T10:30:00+24:00',
    '2026-01-19T10:30:00.Z',
    '2026-01-19',
    '0000-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-01:00',
    '1768818600',
    'yesterday',
    '',
  ])('%s is none', (text) => {
    expect(toUtcTime(text)).toBeNull();
  });
});

test('all attributes are read, from text or bytes', () => {
  const headers = { ...GOOD, ce_subject: Buffer.from('größe-7'), traceparent: [TRACE, 'other'] };
  expect(readEventAttributes(headers)).toEqual({
    kind: 'valid',
    attributes: {
      id: 'evt-1',
      type: 'order.shipped',
      source: 'urn:example:shop',
      time: '2026-01-19T10:30:00Z',
      tenantId: 'acme',
      subject: 'größe-7',
      traceparent: TRACE,
    },
  });
});

test('a malformed trace context counts as absent', () => {
  const result = readEventAttributes({ ...GOOD, traceparent: 'nonsense' });
  expect(result).toMatchObject({ kind: 'valid', attributes: { traceparent: null, subject: null } });
});

test.each(['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_time', 'ce_tenantid'])('%s must be there', (name) => {
  expect(readEventAttributes({ ...GOOD, [name]: undefined })).toEqual({
    kind: 'invalid',
    rejection: { reason: 'missing_attribute', message: `the header ${name} is missing` },
  });
});

test.each([
  ['ce_specversion', '0.3'],
  ['ce_id', ''],
  ['ce_id', 'x'.repeat(65)],
  ['ce_id', 'ümlaut'],
  ['ce_source', ''],
  ['ce_source', 'two words'],
  ['ce_source', 'x'.repeat(513)],
  ['ce_type', ''],
  ['ce_time', 'now'],
  ['ce_tenantid', ''],
  ['ce_tenantid', 'a\u0000b'],
  ['ce_tenantid', Buffer.from([0xff, 0xfe])],
  ['ce_subject', ''],
  ['ce_subject', 'line\nbreak'],
])('%s must not be %j', (name, value) => {
  expect(readEventAttributes({ ...GOOD, [name]: value })).toMatchObject({
    kind: 'invalid',
    rejection: { reason: 'invalid_attribute', message: expect.stringContaining(name) },
  });
});
