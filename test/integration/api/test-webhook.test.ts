import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkUrl } from '../../../src/domain/destination.ts';
import { signatureHeader, signingKeyOf } from '../../../src/domain/signature.ts';
import { createWebhookSender, type WebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import type { Answer } from '../../../src/local/receiver.ts';
import { type ApiFixture, createApiFixture } from '../../support/api-fixture.ts';
import { LOOPBACK_POLICY, startTestReceiver, type TestReceiver } from '../../support/receiver.ts';

let sender: WebhookSender;
let api: ApiFixture;
let receiver: TestReceiver;
const answers = new Map<string, Answer>();
/** What the receiver verifies with, by path. */
const secrets = new Map<string, readonly string[]>();

beforeAll(async () => {
  receiver = await startTestReceiver({
    secrets: (path) => secrets.get(path) ?? [],
    answer: ({ path }) => answers.get(path) ?? { kind: 'respond', status: 200 },
  });
  sender = createWebhookSender({ policy: LOOPBACK_POLICY, ...(receiver.ca === null ? {} : { extraCa: receiver.ca }) });
  api = await createApiFixture({
    send: sender.send,
    checkUrl: (raw) => checkUrl(raw, LOOPBACK_POLICY),
    timeoutMs: 1_000,
  });
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await sender.close();
  await receiver.close();
});

const deliver = (path: string) => api.client.post('/api/v1/webhooks/test/', { webhook_url: receiver.url + path });
const arrivalsAt = (path: string) => receiver.arrivals.filter((arrival) => arrival.path === path);

describe('a test delivery', () => {
  test('succeeds with the documented answer', async () => {
    const { status, body } = await deliver('/ok');

    expect(status).toBe(200);
    expect(Object.entries(body)).toEqual([
      ['success', true],
      ['message', 'Test webhook delivered successfully'],
      ['log_id', expect.any(Number)],
      ['http_status_code', 200],
    ]);
  });

  test('is a Standard Webhooks event of type test, first attempt', async () => {
    await deliver('/event');

    const [arrival] = arrivalsAt('/event');
    const event = JSON.parse(String(arrival?.body));
    expect(Object.keys(event)).toEqual(['id', 'type', 'timestamp', 'data']);
    expect(event).toMatchObject({ id: arrival?.webhookId, type: 'test' });
    expect(event.id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(arrival?.attempt).toBe(1);
    expect(arrival?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Posthorn/test' });
    expect(Math.abs(Date.parse(event.timestamp) - Date.now())).toBeLessThan(10_000);
  });

  test('fails with the receiver’s status in the documented words', async () => {
    answers.set('/missing', { kind: 'respond', status: 404 });

    const { status, body } = await deliver('/missing');

    expect(status).toBe(502);
    expect(Object.entries(body)).toEqual([
      ['success', false],
      ['message', 'Test webhook delivery failed: HTTP 404: Not Found'],
      ['log_id', expect.any(Number)],
      ['http_status_code', 404],
    ]);
  });

  test.each([
    { path: '/gone', status: 410, words: 'HTTP 410: Gone' },
    { path: '/broken', status: 503, words: 'HTTP 503: Service Unavailable' },
    { path: '/odd', status: 599, words: 'HTTP 599' },
    { path: '/moved', status: 302, words: 'HTTP 302: Found (redirects are not followed)' },
  ])('with status $status is a failure', async ({ path, status, words }) => {
    answers.set(path, { kind: 'respond', status, headers: { location: `${receiver.url}/elsewhere` } });

    const answer = await deliver(path);

    expect(answer.status).toBe(502);
    expect(answer.body).toMatchObject({ message: `Test webhook delivery failed: ${words}`, http_status_code: status });
    expect(arrivalsAt('/elsewhere')).toEqual([]);
  });

  test('has no status when the receiver hangs or does not listen', async () => {
    answers.set('/hang', { kind: 'hang' });
    const nobody = await startTestReceiver();
    await nobody.close();
    const failures = [
      await deliver('/hang'),
      await api.client.post('/api/v1/webhooks/test/', { webhook_url: nobody.url }),
    ];

    for (const { status, body } of failures) {
      expect([status, body.success, body.http_status_code]).toEqual([502, false, null]);
      expect(body.message).toMatch(/^Test webhook delivery failed: [A-Z].{10,}$/);
    }
  });

  test('gets a growing log id, with its outcome on record', async () => {
    const first = (await deliver('/ok')).body.log_id;
    const second = (await deliver('/missing')).body.log_id;

    const rows = await api.database.knex('test_deliveries').whereIn('id', [first, second]).orderBy('id');
    expect(second).toBeGreaterThan(first);
    expect(rows).toMatchObject([
      { tenant_id: api.tenantId, http_status_code: 200, failure_code: null, finished_at: expect.any(Date) },
      { tenant_id: api.tenantId, http_status_code: 404, failure_code: 'http_404', finished_at: expect.any(Date) },
    ]);
  });

  test('does not count in the totals of a webhook', async () => {
    const { id } = (await create('/counted')).body;

    await deliver('/counted');

    expect((await api.client.get(`/api/v1/webhooks/${id}/`)).body).toMatchObject({
      stats: { total_deliveries: 0 },
      last_triggered_at: null,
    });
  });
});

const create = (path: string) =>
  api.client.post('/api/v1/webhooks/', { event_type: 'all', webhook_url: receiver.url + path });

describe('the signature', () => {
  test('is made with the test secret where no webhook has the URL', async () => {
    const { secret_key: secret } = (await api.client.get('/api/v1/test-secret/')).body;
    secrets.set('/unknown', [secret]);

    await deliver('/unknown');

    expect(arrivalsAt('/unknown')[0]?.verified).toBe('verified');
    expect((await api.client.get('/api/v1/test-secret/')).body.secret_key).toBe(secret);
    expect((await (await api.createClient()).get('/api/v1/test-secret/')).body.secret_key).not.toBe(secret);
  });

  test('is made with the secrets of all webhooks for the URL, newest first, and of no other tenant', async () => {
    const older = (await create('/shared')).body.secret_key;
    const newer = (await create('/shared')).body.secret_key;
    const stranger = await api.createClient();
    await stranger.post('/api/v1/webhooks/', { event_type: 'all', webhook_url: `${receiver.url}/shared` });
    const verdicts = [];
    for (const secret of [older, newer]) {
      secrets.set('/shared', [secret]);
      await deliver('/shared');
      verdicts.push(arrivalsAt('/shared').at(-1)?.verified);
    }

    expect(verdicts).toEqual(['verified', 'verified']);
    const signatures = String(arrivalsAt('/shared').at(-1)?.headers['webhook-signature']).split(' ');
    expect(signatures).toHaveLength(2);
    const { headers, body, webhookId } = arrivalsAt('/shared').at(-1) ?? {};
    const newest = signatureHeader({
      id: String(webhookId),
      timestampSeconds: Number(headers?.['webhook-timestamp']),
      body: body ?? Buffer.alloc(0),
      keys: [signingKeyOf(newer)],
    });
    expect(signatures[0]).toBe(newest);
  });
});
