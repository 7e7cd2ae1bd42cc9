import { expect, test } from 'vitest';
import { dayName, dayOf, dayWindow, storableMs } from '../../../src/domain/log-days.ts';

test.each([
  ['1970-01-01T00:00:00Z', '1970-01-01'],
  ['2026-11-23T00:00:00Z', '2026-11-23'],
  ['2026-11-23T23:59:59.999Z', '2026-11-23'],
  ['2100-02-28T12:00:00Z', '2100-02-28'],
  ['1969-12-31T23:59:59Z', '1970-01-01'],
])('%s belongs to the day %s', (time, day) => {
  expect(dayName(dayOf(Date.parse(time)))).toBe(day);
});

test('times that no table can hold become the nearest that it can', () => {
  expect(storableMs(-5)).toBe(0);
  expect(storableMs(Number.NaN)).toBe(0);
  expect(dayName(dayOf(Number.MAX_SAFE_INTEGER))).toBe('9999-12-31');
});

test('partitions of their own have the days from the oldest kept to two days ahead', () => {
  const window = dayWindow(Date.parse('2026-11-23T10:00:00Z'), 30);
  expect([dayName(window.first), dayName(window.last)]).toEqual(['2026-10-24', '2026-11-25']);
});
