import { afterEach, describe, expect, it } from 'vitest';
import { signatureHeader, signingKeyOf } from '../../../src/domain/signature.ts';
import type { WebhookSender, WebhookSenderOptions } from '../../../src/infrastructure/http/webhook-sender.ts';
import { createWebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import { answer, type HostileServer, startHostileServer } from '../../hostile/tcp-server.ts';
import {
  LOOPBACK_POLICY,
  startTestReceiver,
  type TestReceiver,
  type TestReceiverOptions,
} from '../../support/receiver.ts';
import { createTestSender, requestTo, summaryOf } from '../../support/sender.ts';
import { waitUntil } from '../../support/wait-until.ts';

const SECRET = 'whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ';
const closers: (() => Promise<void>)[] = [];

async function receiver(options: TestReceiverOptions = {}): Promise<TestReceiver> {
  const started = await startTestReceiver(options);
  closers.push(started.close);
  return started;
}

async function rawServer(onRequest: Parameters<typeof startHostileServer>[0]['onRequest']): Promise<HostileServer> {
  const server = await startHostileServer(onRequest === undefined ? {} : { onRequest });
  closers.push(server.close);
  return server;
}

function sender(options: Partial<WebhookSenderOptions> = {}): WebhookSender {
  const created = createTestSender(options);
  closers.unshift(created.close);
  return created;
}

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function signedHeaders(body: Buffer): Record<string, string> {
  const timestampSeconds = Math.floor(Date.now() / 1000);
  const signature = signatureHeader({ id: 'evt_1', timestampSeconds, body, keys: [signingKeyOf(SECRET)] });
  return {
    'content-type': 'application/json',
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signature,
    'posthorn-delivery': 'd-1',
    'posthorn-attempt': '3',
  };
}

describe('a delivery over HTTPS', () => {
  it('arrives byte for byte and verifies, on one connection', async () => {
    const target = await receiver({ secrets: [SECRET] });
    const https = createWebhookSender({
      policy: LOOPBACK_POLICY,
      ...(target.ca === null ? {} : { extraCa: target.ca }),
    });
    closers.unshift(https.close);
    const body = Buffer.from('{"type":"case.created","data":{"name":"Jürgen 😀"}}');
    const request = requestTo(`${target.url}/hook?a=b`, { body, headers: signedHeaders(body) });
    const [first, second] = [await https.send(request), await https.send(request)];
    expect([first, second].map(summaryOf)).toEqual(['200', '200']);
    expect(target.arrivals.map(({ verified }) => verified)).toEqual(['verified', 'verified']);
    expect(target.arrivals[0]).toMatchObject({
      path: '/hook?a=b',
      body,
      webhookId: 'evt_1',
      deliveryId: 'd-1',
      attempt: 3,
      type: 'case.created',
    });
    expect(target.arrivals[0]?.headers).toMatchObject({
      'accept-encoding': 'identity',
      host: `localhost:${target.port}`,
    });
    expect(https.connections()).toEqual({ open: 1, idle: 1 });
  });

  it('tells where the time went: connecting only for a new connection', async () => {
    const target = await receiver();
    const https = createWebhookSender({
      policy: LOOPBACK_POLICY,
      ...(target.ca === null ? {} : { extraCa: target.ca }),
    });
    closers.unshift(https.close);
    const first = await https.send(requestTo(target.url));
    const second = await https.send(requestTo(target.url));
    expect(first.timings).toMatchObject({ dnsUs: null, connectUs: expect.any(Number), tlsUs: expect.any(Number) });
    const { connectUs, tlsUs, firstByteUs, totalUs } = first.timings;
    expect((connectUs ?? 0) + (tlsUs ?? 0) + (firstByteUs ?? 0)).toBeLessThanOrEqual(totalUs);
    expect(second.timings).toMatchObject({
      dnsUs: null,
      connectUs: null,
      tlsUs: null,
      firstByteUs: expect.any(Number),
    });
  });
});

describe('connections', () => {
  it('are as many as there are requests at once, and are used again', async () => {
    const server = await rawServer((socket) => setTimeout(() => socket.write(answer(200)), 20));
    const http = sender();
    const sendMany = () =>
      Promise.all(Array.from({ length: 50 }, () => http.send(requestTo(`http://localhost:${server.port}/`))));
    for (const results of [await sendMany(), await sendMany()])
      expect(new Set(results.map(summaryOf))).toEqual(new Set(['200']));
    expect(server.connections()).toBe(50);
  });

  it('to hanging paths do not hold up others of the same origin', async () => {
    const server = await rawServer((socket, { head }) => {
      if (!head.includes('/hang')) socket.write(answer(200));
    });
    const http = sender();
    const hanging = Array.from({ length: 100 }, () =>
      http.send(requestTo(`http://localhost:${server.port}/hang`, { timeoutMs: 800 })),
    );
    const result = await http.send(requestTo(`http://localhost:${server.port}/fast`));
    expect(result.timings.totalUs).toBeLessThan(500_000);
    expect(new Set((await Promise.all(hanging)).map(summaryOf))).toEqual(new Set(['timeout']));
  });

  it('are closed for the origins that were unused for longest', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => rawServer((socket) => socket.write(answer(200)))));
    const http = sender({ maxIdleOrigins: 2 });
    for (const { port } of servers) await http.send(requestTo(`http://localhost:${port}/`));
    expect(http.connections()).toEqual({ open: 2, idle: 2 });
    await waitUntil(() => servers[0]?.open() === 0, { what: 'the first origin was closed' });
    expect(servers.slice(1).map((server) => server.open())).toEqual([1, 1]);
  });

  it('are forgotten when the receiver closes them', async () => {
    const server = await rawServer((socket) => {
      socket.write(answer(200));
      setTimeout(() => socket.end(), 20);
    });
    const http = sender();
    await http.send(requestTo(`http://localhost:${server.port}/`));
    await waitUntil(() => http.connections().open === 0, { what: 'the connection was forgotten' });
    expect(summaryOf(await http.send(requestTo(`http://localhost:${server.port}/`)))).toBe('200');
  });

  it('are not used again when the answer says close', async () => {
    const server = await rawServer((socket) => socket.write(answer(200, '', ['connection: close'])));
    const http = sender();
    for (let count = 0; count < 3; count += 1) {
      expect(summaryOf(await http.send(requestTo(`http://localhost:${server.port}/`)))).toBe('200');
    }
    expect(server.connections()).toBe(3);
  });

  it('ignore the proxies of the environment', async () => {
    const proxy = await rawServer((socket) => socket.write(answer(200, 'proxy')));
    const server = await rawServer((socket) => socket.write(answer(200, 'direct')));
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'])
      process.env[name] = `http://127.0.0.1:${proxy.port}`;
    const result = await sender().send(requestTo(`http://localhost:${server.port}/`));
    for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY']) delete process.env[name];
    expect(result.kind === 'responded' && result.body.toString()).toBe('direct');
    expect(proxy.connections()).toBe(0);
  });
});

describe('a sender', () => {
  it.each([
    ['a header with a line end', { headers: { x: 'a\r\nb: c' } }],
    ['a header name with a space', { headers: { 'a b': 'c' } }],
    ['a wrong length', { headers: { 'content-length': '1' } }],
  ])('resolves with an error of ours for %s', async (_, overrides) => {
    const server = await rawServer((socket) => socket.write(answer(200)));
    const result = await sender().send(requestTo(`http://localhost:${server.port}/`, overrides));
    expect(summaryOf(result)).toBe('internal_error');
    expect(server.requests).toEqual([]);
  });

  it('resolves even when a part of it breaks', async () => {
    const broken = sender({ resolve: () => Promise.reject(new Error('a surprise')) });
    expect(summaryOf(await broken.send(requestTo('http://hook.acme.com/')))).toBe('internal_error');
    const odd: unknown = { ...requestTo('http://hook.acme.com/'), headers: null };
    expect(summaryOf(await broken.send(odd as Parameters<typeof broken.send>[0]))).toBe('internal_error');
  });

  it('cuts what is in flight when told to', async () => {
    const server = await rawServer(() => undefined);
    const http = sender();
    const pending = http.send(requestTo(`http://localhost:${server.port}/`));
    await waitUntil(() => server.requests.length === 1, { what: 'the request arrived' });
    http.abort();
    expect(await pending).toMatchObject({ kind: 'failed', code: 'connection_failed', detail: 'aborted' });
  });

  it('waits for what is in flight when it closes, and then sends nothing more', async () => {
    const server = await rawServer((socket) => setTimeout(() => socket.write(answer(200)), 100));
    const http = createTestSender();
    const pending = http.send(requestTo(`http://localhost:${server.port}/`));
    await http.close();
    expect(summaryOf(await pending)).toBe('200');
    expect(summaryOf(await http.send(requestTo(`http://localhost:${server.port}/`)))).toBe('internal_error');
    await waitUntil(() => server.open() === 0, { what: 'all connections were closed' });
    await http.close();
  });

  it('keeps no socket of a connection that came too late', async () => {
    const server = await rawServer((socket) => socket.write(answer(200)));
    const http = sender();
    const results = await Promise.all(
      Array.from({ length: 20 }, () => http.send(requestTo(`http://localhost:${server.port}/`, { timeoutMs: 1 }))),
    );
    expect(results.length).toBe(20);
    await waitUntil(() => server.open() === http.connections().open, { what: 'no other sockets were left' });
  });
});
