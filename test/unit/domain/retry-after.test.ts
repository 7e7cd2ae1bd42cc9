import { describe, expect, it } from 'vitest';
import { clampRetryAfter, MAX_RETRY_AFTER_MS, parseRetryAfter } from '../../../src/domain/retry-after.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 0, 0);

describe('parseRetryAfter', () => {
  it.each([
    ['seconds', '120', 120_000],
    ['zero seconds', '0', 0],
    ['seconds with spaces around', ' 7 ', 7_000],
    ['case 132: far more seconds than a day', '99999999999999999999', MAX_RETRY_AFTER_MS],
    ['more digits than a number has', '9'.repeat(400), MAX_RETRY_AFTER_MS],
    ['a date', 'Mon, 23 Nov 2026 09:05:00 GMT', 300_000],
    ['case 132: a date in the year 9999', 'Fri, 31 Dec 9999 23:59:59 GMT', MAX_RETRY_AFTER_MS],
    ['a date in the form of RFC 850', 'Monday, 23-Nov-26 09:00:30 GMT', 30_000],
    ['a date in the form of asctime', 'Mon Nov 23 09:00:10 2026', 10_000],
    ['a one-digit day in the form of asctime', 'Tue Dec  1 09:00:00 2026', MAX_RETRY_AFTER_MS],
  ])('reads %s', (_, value, expected) => {
    expect(parseRetryAfter(value, NOW)).toBe(expected);
  });

  it.each([
    ['nothing', undefined],
    ['an empty value', ''],
    ['case 132: negative seconds', '-5'],
    ['fractions', '1.5'],
    ['case 132: a date in the past', 'Mon, 23 Nov 2026 08:59:59 GMT'],
    ['a past date in the form of RFC 850', 'Sunday, 06-Nov-94 08:49:37 GMT'],
    ['case 132: junk', 'soon'],
    ['junk with a number, of which Date.parse makes a date', 'junk 1'],
    ['a month that does not exist', 'Mon, 23 Foo 2026 09:05:00 GMT'],
    ['a day that does not exist', 'Mon, 45 Nov 2026 09:05:00 GMT'],
    ['an hour that does not exist', 'Mon, 23 Nov 2026 29:05:00 GMT'],
    ['an ISO date', '2026-11-23T09:05:00Z'],
    ['hexadecimal', '0x10'],
    ['no values', []],
  ])('ignores %s', (_, value) => {
    expect(parseRetryAfter(value, NOW)).toBeNull();
  });

  it('reads the first of several values', () => {
    expect(parseRetryAfter(['3', '9'], NOW)).toBe(3_000);
  });
});

describe('clampRetryAfter', () => {
  it.each([
    ['nothing asked', null, 5_000, 5_000],
    ['less asked than the schedule waits', 1_000, 5_000, 5_000],
    ['more asked', 60_000, 5_000, 60_000],
    ['more asked than a day', 10 * MAX_RETRY_AFTER_MS, 5_000, MAX_RETRY_AFTER_MS],
  ])('with %s', (_, askedMs, tierMs, expected) => {
    expect(clampRetryAfter(askedMs, tierMs)).toBe(expected);
  });
});
