import { randomUUID } from 'node:crypto';
import type { IHeaders, Message } from 'kafkajs';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.ts';
import { apiOf, createWebhook, type Deployment, deploy, type Tenant } from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import type { PosthornProcess } from '../support/posthorn-process.ts';
import { type Probe, readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { TopicWatch } from '../support/topic-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

let deployment: Deployment;
let server: PosthornProcess;
let producer: IndependentProducer;
let receiver: TestReceiver;
let samples: ReadonlyMap<string, unknown>;
let probe: Probe;

beforeAll(async () => {
  deployment = await deploy();
  server = await deployment.serve();
  producer = await IndependentProducer.connect();
  receiver = await startTestReceiver({
    answer: ({ path }) => {
      const status = Number(/^\/status\/(\d+)/.exec(path)?.[1] ?? 200);
      return { kind: 'respond', status };
    },
  });
  const { tenant, api } = await newTenant();
  probe = { tenantId: tenant.id, api, producer, receiver };
  samples = await readSamples(api);
});

afterAll(async () => {
  await receiver?.close();
  await producer?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});

function sampleOf(type: string): unknown {
  return samples.get(type) ?? expect.fail(`no sample of ${type}`);
}

async function newTenant(): Promise<{ tenant: Tenant; api: ApiClient }> {
  const tenant = await deployment.createTenant();
  return { tenant, api: await apiOf(server, tenant) };
}

function arrivalsAt(path: string) {
  return receiver.arrivals.filter((arrival) => arrival.path === path);
}

function idsAt(path: string): string[] {
  return arrivalsAt(path)
    .map(({ webhookId }) => webhookId ?? 'none')
    .toSorted();
}

describe('all 32 event types of a producer that is not ours', () => {
  const TIME = '2026-01-19T11:30:00.125+01:00';
  interface Subscription {
    readonly path: string;
    readonly eventType: string;
    readonly secret: string;
    readonly expectedIds: string[];
  }
  const subscriptions: Subscription[] = [];
  const published = new Map<string, { tenantId: string; type: string }>();

  beforeAll(async () => {
    const [many, exact, none] = await Promise.all([newTenant(), newTenant(), newTenant()]);
    const types = [...samples.keys()];
    const wanted = [
      ...['all', 'all', 'test', 'screening.completed', 'screening.completed', 'case.opened'].map((type) => ({
        ...many,
        type,
      })),
      ...types.map((type) => ({ ...exact, type })),
    ];
    for (const [index, { tenant, api, type }] of wanted.entries()) {
      const path = `/${tenant.id}/${index}/${type}`;
      const { secret } = await createWebhook(api, type, receiver.url + path);
      subscriptions.push({ path, eventType: type, secret, expectedIds: [] });
    }
    const tenants = [many, exact, none].map(({ tenant }) => tenant.id);
    const events = tenants.flatMap((tenantId) =>
      types.map((type) => ({ tenantId, type, data: sampleOf(type), time: TIME })),
    );
    await untilRouted(probe);
    const ids = await producer.publish(events);
    for (const [index, { tenantId, type }] of events.entries()) {
      const id = ids[index] ?? '';
      published.set(id, { tenantId, type });
      for (const { path, eventType, expectedIds } of subscriptions) {
        if (path.startsWith(`/${tenantId}/`) && (eventType === 'all' || eventType === type)) expectedIds.push(id);
      }
    }
    const expected = subscriptions.reduce((sum, { expectedIds }) => sum + expectedIds.length, 0);
    const arrived = () => subscriptions.reduce((sum, { path }) => sum + arrivalsAt(path).length, 0);
    await waitUntil(() => arrived() >= expected, { what: `the arrival of ${expected} deliveries` });
    await deployment.settled();
  });

  it('reaches every webhook with exactly what it subscribed to, once', () => {
    expect(samples.size).toBe(32);
    for (const { path, expectedIds } of subscriptions) expect(idsAt(path), path).toEqual(expectedIds.toSorted());
  });

  it('arrives as id, type, timestamp and data, with the values that were published', () => {
    for (const { path } of subscriptions) {
      for (const { body, webhookId } of arrivalsAt(path)) {
        const text = body.toString();
        const { type } = published.get(webhookId ?? '') ?? expect.fail(`nobody published ${webhookId}`);
        const content = { id: webhookId, type, timestamp: '2026-01-19T10:30:00.125Z', data: sampleOf(type) };
        expect(JSON.parse(text)).toEqual(content);
        expect(Object.keys(JSON.parse(text) as object)).toEqual(Object.keys(content));
        expect(text).toBe(JSON.stringify(JSON.parse(text)));
      }
    }
  });

  it('verifies with standardwebhooks and with svix and the secret as the API showed it', () => {
    for (const { path, secret } of subscriptions) {
      expect(secret).toMatch(/^whsec_[A-Z2-7]{52}$/);
      for (const { body, headers } of arrivalsAt(path)) {
        const signed = headers as Record<string, string>;
        expect(() => new StandardWebhook(secret).verify(body.toString(), signed)).not.toThrow();
        expect(() => new SvixWebhook(secret).verify(body.toString(), signed)).not.toThrow();
        const changed = Buffer.concat([body, Buffer.from(' ')]).toString();
        expect(() => new SvixWebhook(secret).verify(changed, signed)).toThrow();
      }
    }
  });

  it('carries the documented headers', () => {
    const deliveryIds = new Set<string>();
    for (const { path } of subscriptions) {
      for (const { headers, body, receivedAtMs } of arrivalsAt(path)) {
        expect(headers['content-type']).toBe('application/json');
        expect(headers['user-agent']).toMatch(/^Posthorn\/\d+\.\d+\.\d+$/);
        expect(headers['content-length']).toBe(String(body.length));
        expect(headers['webhook-id']).toBe((JSON.parse(body.toString()) as { id: string }).id);
        expect(headers['posthorn-attempt']).toBe('1');
        expect(Math.abs(Number(headers['webhook-timestamp']) * 1000 - receivedAtMs)).toBeLessThan(10_000);
        expect(headers['posthorn-delivery']).toMatch(
          /^[\da-f]{8}-[\da-f]{4}-5[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
        );
        deliveryIds.add(String(headers['posthorn-delivery']));
      }
    }
    expect(deliveryIds.size).toBe(subscriptions.reduce((sum, { expectedIds }) => sum + expectedIds.length, 0));
  });
});

describe('values that are not Avro and records that are no events', () => {
  const TOPIC = 'events.screening';
  const TYPE = 'screening.completed';
  let tenantId: string;
  let path: string;
  let dead: TopicWatch;

  beforeAll(async () => {
    const { tenant, api } = await newTenant();
    tenantId = tenant.id;
    path = `/${tenantId}/poison`;
    await createWebhook(api, 'all', receiver.url + path);
    await untilRouted(probe);
    dead = await TopicWatch.open([`${deployment.prefix}events.dead`]);
  });

  afterAll(async () => {
    await dead?.[Symbol.asyncDispose]();
  });

  it('delivers an event whose value is JSON', async () => {
    const [id = ''] = await producer.publish([{ tenantId, type: TYPE, data: sampleOf(TYPE), asJson: true }]);
    await waitUntil(() => idsAt(path).includes(id));
    const arrival = arrivalsAt(path).find(({ webhookId }) => webhookId === id);
    expect(JSON.parse(arrival?.body.toString() ?? '')).toMatchObject({ id, type: TYPE, data: sampleOf(TYPE) });
  });

  it('puts poison of every kind among the dead events as it came, and delivers what lies between', async () => {
    const good = () => producer.message({ tenantId, type: TYPE, data: sampleOf(TYPE) });
    const poison = await poisonRecords(await good());
    const messages: Message[] = [];
    for (const [, message] of poison) messages.push(await good(), message);
    messages.push(await good());
    const goodIds = messages.filter((_, index) => index % 2 === 0).map(({ headers }) => String(headers?.['ce_id']));
    const places = await producer.sendRaw(TOPIC, 2, messages);

    const sources = places.map(({ topic, partition, offset }) => `${topic}/${partition}/${offset}`);
    const isOurs = ({ headers }: { headers: IHeaders }) => sources.includes(String(headers['posthorn-source']));
    await dead.find(isOurs, poison.length);
    await waitUntil(() => goodIds.every((id) => idsAt(path).includes(id)), { what: 'the arrival of the good events' });
    await deployment.settled();

    const records = new Map(dead.records.filter(isOurs).map((record) => [record.headers['posthorn-source'], record]));
    expect(records.size).toBe(poison.length);
    for (const [index, [reason, message]] of poison.entries()) {
      const record = records.get(sources[index * 2 + 1]) ?? expect.fail(`no dead letter for ${reason}`);
      expect(record.headers['posthorn-reason'], record.headers['posthorn-error']).toBe(reason);
      expect(record.headers['posthorn-error']).toMatch(/\w+ \w+/);
      expect(Date.parse(record.headers['posthorn-failed-at'] ?? '')).toBeGreaterThan(Date.now() - 60_000);
      expect(record.value).toEqual(message.value);
      expect(record.key).toBe(message.key ?? null);
      for (const [name, value] of Object.entries(message.headers ?? {})) {
        expect(record.headers[name], name).toBe(String(value));
      }
    }
    expect(idsAt(path).filter((id) => goodIds.includes(id))).toEqual(goodIds.toSorted());
    expect(idsAt(path).length).toBe(goodIds.length + 1);
  });

  /** What is wrong with each, and the reason it should be given. */
  async function poisonRecords({ headers = {}, value, key = null }: Message): Promise<(readonly [string, Message])[]> {
    const bytes = value as Buffer;
    const withHeaders = (changes: Record<string, string | undefined>) => {
      const changed = Object.entries({ ...headers, ce_id: `evt_${randomUUID()}`, ...changes });
      return Object.fromEntries(changed.filter(([, text]) => text !== undefined)) as IHeaders;
    };
    const attribute = (changes: Record<string, string | undefined>): Message => ({
      key,
      value,
      headers: withHeaders(changes),
    });
    const payload = (other: Buffer | null, changes = {}): Message => ({
      key,
      value: other,
      headers: withHeaders(changes),
    });
    const json = (data: unknown) => {
      const text = typeof data === 'string' ? data : JSON.stringify(data);
      return payload(Buffer.from(text), { 'content-type': 'application/json' });
    };
    const unknownSchema = Buffer.from(bytes);
    unknownSchema.writeUInt32BE(2_000_000_000, 1);
    const escaped = await producer.encode('case.opened', {
      ...(sampleOf('case.opened') as object),
      title: '\u0001'.repeat(300_000),
    });
    return [
      ...['ce_id', 'ce_type', 'ce_source', 'ce_time', 'ce_tenantid', 'ce_specversion'].map(
        (name) => ['missing_attribute', attribute({ [name]: undefined })] as const,
      ),
      ['missing_attribute', { key: null, value, headers: {} }],
      ['invalid_attribute', attribute({ ce_id: 'with spaces' })],
      ['invalid_attribute', attribute({ ce_id: 'x'.repeat(65) })],
      ['invalid_attribute', attribute({ ce_time: 'yesterday' })],
      ['invalid_attribute', attribute({ ce_specversion: '0.3' })],
      ['invalid_attribute', attribute({ ce_tenantid: '' })],
      ['unknown_type', attribute({ ce_type: 'screening.imagined' })],
      ['unknown_type', attribute({ ce_type: 'all' })],
      ['unknown_type', attribute({ ce_type: 'test' })],
      ['type_mismatch', attribute({ ce_type: 'case.opened' })],
      ['bad_framing', payload(null)],
      ['bad_framing', payload(Buffer.alloc(0))],
      ['bad_framing', payload(Buffer.from([0, 0, 1]))],
      ['bad_framing', payload(Buffer.concat([Buffer.from([7]), bytes.subarray(1)]))],
      ['bad_framing', payload(Buffer.from('{"looks":"like JSON"}'))],
      ['unknown_schema', payload(unknownSchema)],
      ['decode_failed', payload(Buffer.concat([bytes.subarray(0, 5), Buffer.alloc(40, 0xff)]))],
      ['decode_failed', payload(bytes.subarray(0, bytes.length - 7))],
      ['decode_failed', payload(Buffer.concat([bytes, Buffer.from([0])]))],
      ['decode_failed', json('{"cut": ')],
      ['schema_violation', json({ ...(sampleOf(TYPE) as object), screening_id: 42 })],
      ['schema_violation', json({})],
      ['schema_violation', json([1, 2, 3])],
      ['bad_framing', payload(null, { 'content-type': 'application/json' })],
      ['too_large', payload(escaped, { ce_type: 'case.opened' })],
    ];
  }
});

describe('what a customer sees in the API', () => {
  it('lets a webhook count for routing within 2 s', async () => {
    const { tenant, api } = await newTenant();
    const path = `/${tenant.id}/new`;
    await createWebhook(api, 'all', receiver.url + path);
    const createdAtMs = Date.now();
    const publishedAtMs = new Map<string, number>();
    await waitUntil(async () => {
      const atMs = Date.now();
      const [id = ''] = await producer.publish([
        { tenantId: tenant.id, type: 'case.resolved', data: sampleOf('case.resolved') },
      ]);
      publishedAtMs.set(id, atMs);
      return atMs - createdAtMs > 2_200;
    });
    const due = [...publishedAtMs].filter(([, atMs]) => atMs - createdAtMs >= 2_000).map(([id]) => id);
    expect(due.length).toBeGreaterThan(0);
    await waitUntil(() => due.every((id) => idsAt(path).includes(id)), { what: 'what was published after 2 s' });
  });

  it('tells stats and the time of the last attempt within 5 s, and counts a waiting retry in neither result', async () => {
    const { tenant, api } = await newTenant();
    const good = await createWebhook(api, 'alert.created', `${receiver.url}/${tenant.id}/good`);
    const bad = await createWebhook(api, 'alert.created', `${receiver.url}/status/500/${tenant.id}`);
    const unused = await createWebhook(api, 'case.opened', `${receiver.url}/${tenant.id}/unused`);
    await untilRouted(probe);
    const data = sampleOf('alert.created');
    const ids = await producer.publish(
      Array.from({ length: 5 }, () => ({ tenantId: tenant.id, type: 'alert.created', data })),
    );
    await waitUntil(() => arrivalsAt(`/${tenant.id}/good`).length === ids.length);
    await waitUntil(() => arrivalsAt(`/status/500/${tenant.id}`).length >= ids.length);
    const lastAtMs = Math.max(...arrivalsAt(`/${tenant.id}/good`).map(({ receivedAtMs }) => receivedAtMs));

    const read = async (id: string) => (await api.get(`/api/v1/webhooks/${id}/`)).body;
    await waitUntil(
      async () =>
        (await read(good.id)).stats.successful_deliveries === 5 && (await read(bad.id)).stats.total_deliveries === 5,
      { timeoutMs: 5_000, what: 'the right stats' },
    );
    const [seen, failing, idle] = await Promise.all([read(good.id), read(bad.id), read(unused.id)]);
    expect(seen.stats).toEqual({ total_deliveries: 5, successful_deliveries: 5, failed_deliveries: 0 });
    expect(Math.abs(Date.parse(seen.last_triggered_at) - lastAtMs)).toBeLessThan(2_000);
    expect(failing.stats).toEqual({ total_deliveries: 5, successful_deliveries: 0, failed_deliveries: 0 });
    expect(idle.stats).toEqual({ total_deliveries: 0, successful_deliveries: 0, failed_deliveries: 0 });
    expect(idle.last_triggered_at).toBeNull();
    const { body } = await api.get('/api/v1/webhooks/');
    expect(body.webhooks.map(({ id }: { id: string }) => id)).toEqual([unused.id, bad.id, good.id]);
  });

  it('answers a test delivery with what the receiver said', async () => {
    const { tenant, api } = await newTenant();
    const test = (url: string) => api.post('/api/v1/webhooks/test/', { webhook_url: url });
    const accepted = await test(`${receiver.url}/${tenant.id}/tried`);
    expect(accepted.status).toBe(200);
    expect(accepted.body).toEqual({
      success: true,
      message: 'Test webhook delivered successfully',
      log_id: expect.any(Number),
      http_status_code: 200,
    });
    const [arrival] = arrivalsAt(`/${tenant.id}/tried`);
    expect(JSON.parse(arrival?.body.toString() ?? '')).toMatchObject({ id: arrival?.webhookId, type: 'test' });

    const missing = await test(`${receiver.url}/status/404`);
    expect(missing.status).toBe(502);
    expect(missing.body).toEqual({
      success: false,
      message: 'Test webhook delivery failed: HTTP 404: Not Found',
      log_id: expect.any(Number),
      http_status_code: 404,
    });

    const nobody = await startTestReceiver();
    await nobody.close();
    const refused = await test(`${nobody.url}/`);
    expect(refused.status).toBe(502);
    expect(refused.body).toMatchObject({ success: false, http_status_code: null, log_id: expect.any(Number) });
    expect(refused.body.message).toMatch(/^Test webhook delivery failed: .+/);
    expect(refused.body.log_id).toBeGreaterThan(missing.body.log_id);
  });
});
