import { afterEach, describe, expect, it } from 'vitest';
import { signatureHeader, signingKeyOf } from '../../../src/domain/signature.ts';
import type { Answer } from '../../../src/local/receiver.ts';
import { startTestReceiver, type TestReceiver, type TestReceiverOptions } from '../../support/receiver.ts';
import { createTestSender, requestTo, summaryOf } from '../../support/sender.ts';

const SECRET = 'whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ';
const OTHER_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function deliver(
  options: TestReceiverOptions,
  { signWith = SECRET, path = '/', headers = {} } = {},
): Promise<{ receiver: TestReceiver; summary: string }> {
  const receiver = await startTestReceiver({ ...options, plainHttp: true });
  const sender = createTestSender();
  closers.push(sender.close, receiver.close);
  const body = Buffer.from('{"type":"case.created"}');
  const timestampSeconds = Math.floor(Date.now() / 1000);
  const signature = signatureHeader({ id: 'evt_1', timestampSeconds, body, keys: [signingKeyOf(signWith)] });
  const signed = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signature,
    ...headers,
  };
  const result = await sender.send(requestTo(receiver.url + path, { body, headers: signed, timeoutMs: 400 }));
  return { receiver, summary: summaryOf(result) };
}

describe('verification', () => {
  it.each([
    ['the right secret', [SECRET], 'verified'],
    ['the right one of several', [OTHER_SECRET, SECRET], 'verified'],
    ['another secret', [OTHER_SECRET], 'refused'],
    ['no secret', [], 'no_secret'],
  ])('with %s', async (_, secrets, verified) => {
    const { receiver } = await deliver({ secrets });
    expect(receiver.arrivals.map((arrival) => arrival.verified)).toEqual([verified]);
  });

  it('chooses the secret by path', async () => {
    const secrets = (path: string) => (path === '/mine' ? [SECRET] : []);
    const { receiver } = await deliver({ secrets }, { path: '/mine' });
    expect(receiver.arrivals[0]?.verified).toBe('verified');
  });

  it.each([
    ['an old timestamp', { 'webhook-timestamp': '1614265330' }],
    ['a timestamp that is no number', { 'webhook-timestamp': 'now' }],
    ['an empty signature', { 'webhook-signature': '' }],
    ['a signature of another version', { 'webhook-signature': 'v2,AAAA' }],
    ['another id', { 'webhook-id': 'evt_2' }],
  ])('refuses %s', async (_, headers) => {
    const { receiver } = await deliver({ secrets: [SECRET] }, { headers });
    expect(receiver.arrivals[0]?.verified).toBe('refused');
  });
});

describe('answers as scripted', () => {
  it.each<[string, Answer, string]>([
    ['a status', { kind: 'respond', status: 418 }, '418'],
    ['a late answer', { kind: 'respond', status: 200, delayMs: 50 }, '200'],
    ['an answer that is too late', { kind: 'respond', status: 200, delayMs: 2_000 }, 'timeout'],
    ['no answer', { kind: 'hang' }, 'timeout'],
    ['a reset', { kind: 'reset' }, 'connection_reset'],
  ])('%s', async (_, answer, expected) => {
    const { summary } = await deliver({ answer: () => answer });
    expect(summary).toBe(expected);
  });
});
