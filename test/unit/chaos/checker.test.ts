import { expect, test } from 'vitest';
import { type AttemptRow, compare, type Evidence } from '../../../src/chaos/checker.ts';
import type { Request } from '../../../src/chaos/ledger.ts';

const AT_MS = 1_700_000_000_000;

function aRequest(fields: Partial<Request> = {}): Request {
  return {
    path: '/C0/0',
    eventId: 'e1',
    deliveryId: 'd1',
    attempt: 1,
    timestampSeconds: AT_MS / 1000,
    atMs: AT_MS,
    bodyHash: 'hash-e1',
    verified: true,
    answer: 'accepted',
    ...fields,
  };
}

function anAttempt(fields: Partial<AttemptRow> = {}): AttemptRow {
  return { deliveryId: 'd1', attempt: 1, startedAtMs: AT_MS, nextAttemptAtMs: null, ...fields };
}

/** One acknowledged event that one webhook wanted and accepted, and everything as promised. */
function evidence(fields: Partial<Evidence> = {}): Evidence {
  return {
    events: new Map([['e1', { id: 'e1', ackedAtMs: AT_MS, bodyHash: 'hash-e1' }]]),
    webhookPaths: ['/C0/0'],
    extraPaths: [],
    requests: [aRequest()],
    deadLetters: new Set(),
    attempts: [anAttempt()],
    ...fields,
  };
}

test('nothing is found where every promise was kept', () => {
  expect(compare(evidence())).toEqual({
    lost: [],
    invented: 0,
    duplicates: 0,
    unverified: 0,
    misdated: 0,
    early: 0,
    latestSeconds: 0,
    unrecorded: 0,
    dead: 0,
  });
});

test('an acknowledged event that nobody accepted is lost, unless it is a dead letter or was never acknowledged', () => {
  const refused = { requests: [aRequest({ answer: 'refused' as const })] };
  expect(compare(evidence(refused)).lost).toEqual(['/C0/0 e1']);
  expect(compare(evidence({ ...refused, deadLetters: new Set(['/C0/0 e1']) })).lost).toEqual([]);
  const events = new Map([['e1', { id: 'e1', ackedAtMs: null, bodyHash: 'hash-e1' }]]);
  expect(compare(evidence({ ...refused, events })).lost).toEqual([]);
});

test('each webhook must get the event, not just any of them', () => {
  expect(compare(evidence({ webhookPaths: ['/C0/0', '/C0/1'] })).lost).toEqual(['/C0/1 e1']);
});

test('only what was accepted twice is a duplicate', () => {
  const again = (answer: Request['answer']) => evidence({ requests: [aRequest({ answer }), aRequest()] });
  expect(compare(again('accepted')).duplicates).toBe(1);
  expect(compare(again('refused')).duplicates).toBe(0);
});

test.each([
  ['an unknown event', aRequest({ eventId: 'e2' })],
  ['another body', aRequest({ bodyHash: 'hash-e2' })],
  ['an unknown webhook', aRequest({ path: '/C0/9' })],
])('a request with %s is invented', (_, request) => {
  expect(compare(evidence({ requests: [aRequest(), request] })).invented).toBe(1);
});

test('signatures, ids and timestamps are checked on every request', () => {
  const late = aRequest({ timestampSeconds: AT_MS / 1000 - 6 });
  const otherEvent = aRequest({ eventId: 'e2' });
  const found = compare(evidence({ requests: [aRequest({ verified: false }), late, otherEvent] }));
  expect(found).toMatchObject({ unverified: 1, misdated: 2 });
});

test('a retry before it is due is early, one after it is late by the difference', () => {
  const first = anAttempt({ nextAttemptAtMs: AT_MS + 1_000 });
  const second = (startedAtMs: number) => evidence({ attempts: [first, anAttempt({ attempt: 2, startedAtMs })] });
  expect(compare(second(AT_MS + 900)).early).toBe(1);
  expect(compare(second(AT_MS + 1_500))).toMatchObject({ early: 0, latestSeconds: 0.5 });
});

test('a request without a row is unrecorded; one that was reset and sent again within its attempt is not', () => {
  expect(compare(evidence({ attempts: [] })).unrecorded).toBe(1);
  expect(compare(evidence({ requests: [aRequest(), aRequest()] })).unrecorded).toBe(1);
  expect(compare(evidence({ requests: [aRequest({ answer: 'reset' }), aRequest()] })).unrecorded).toBe(0);
});
