import { describe, expect, it } from 'vitest';
import { outcomeOf, statusMessage } from '../../../src/domain/outcome.ts';
import type { SendResult } from '../../../src/domain/send-result.ts';

const NOW = Date.UTC(2026, 10, 23, 9, 0, 0);
const timings = { dnsUs: null, connectUs: null, tlsUs: null, firstByteUs: 10, totalUs: 20 };

function responded(status: number, headers: Record<string, string> = {}): SendResult {
  return { kind: 'responded', status, headers, body: Buffer.from('no, really: ok'), truncated: false, timings };
}

describe('outcomeOf', () => {
  it.each([200, 201, 202, 204, 206, 299])('takes %i as success', (status) => {
    expect(outcomeOf(responded(status), NOW)).toEqual({ kind: 'succeeded', status });
  });

  it.each([300, 301, 302, 303, 304, 307, 308, 399])('takes %i as a redirect that failed', (status) => {
    const outcome = outcomeOf(responded(status, { location: 'https://elsewhere.example.com/' }), NOW);
    expect(outcome).toMatchObject({ kind: 'failed', status, code: 'redirect' });
  });

  it.each([400, 401, 403, 404, 408, 422, 451, 499, 500, 502, 504, 599])('takes %i as a failure to retry', (status) => {
    expect(outcomeOf(responded(status), NOW)).toMatchObject({ kind: 'failed', status, code: `http_${status}` });
  });

  it('case 133: takes 410 as the wish to get nothing more', () => {
    const expected = { kind: 'gone', status: 410, code: 'http_410', message: 'HTTP 410: Gone' };
    expect(outcomeOf(responded(410, { 'retry-after': '5' }), NOW)).toEqual(expected);
  });

  it.each([429, 503])('takes %i as the wish to be sent less, with the time that was named', (status) => {
    const outcome = outcomeOf(responded(status, { 'retry-after': '90' }), NOW);
    expect(outcome).toMatchObject({ kind: 'throttled', status, code: `http_${status}`, retryAfterMs: 90_000 });
  });

  it.each([undefined, 'soon', '-1'])('leaves the time open when a 429 says %s', (value) => {
    const headers: Record<string, string> = value === undefined ? {} : { 'retry-after': value };
    expect(outcomeOf(responded(429, headers), NOW)).toMatchObject({ kind: 'throttled', retryAfterMs: null });
  });

  it('ignores a Retry-After on other failures', () => {
    expect(outcomeOf(responded(500, { 'retry-after': '90' }), NOW)).not.toHaveProperty('retryAfterMs');
  });

  it('passes the code and the words of a failed connection on', () => {
    const result: SendResult = { kind: 'failed', code: 'tls_hostname', message: 'Another name.', detail: 'x', timings };
    const expected = { kind: 'failed', status: null, code: 'tls_hostname', message: 'Another name.' };
    expect(outcomeOf(result, NOW)).toEqual(expected);
  });
});

describe('statusMessage', () => {
  it.each([
    [404, 'HTTP 404: Not Found'],
    [500, 'HTTP 500: Internal Server Error'],
    [499, 'HTTP 499'],
    [302, 'HTTP 302: Found (redirects are not followed)'],
    [399, 'HTTP 399 (redirects are not followed)'],
  ])('says what %i is', (status, expected) => {
    expect(statusMessage(status)).toBe(expected);
  });
});
