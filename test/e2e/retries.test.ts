import { Webhook as StandardWebhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer, Arrival } from '../../src/local/receiver.ts';
import type { ApiClient } from '../support/api-client.ts';
import { apiOf, createWebhook, type Deployment, deploy, type WebhookAnswer } from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import { readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { TopicWatch, type WatchedRecord } from '../support/topic-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

/** A scenario is a webhook for a type that no other scenario uses. */
interface Scenario extends WebhookAnswer {
  readonly path: string;
  readonly address: string;
  arrivals(): readonly Arrival[];
  arrived(count: number): Promise<readonly Arrival[]>;
  publish(): Promise<string>;
  patch(change: Record<string, unknown>): Promise<void>;
  read(): Promise<{ is_active: boolean; stats: object }>;
  deadLetters(count: number): Promise<readonly WatchedRecord[]>;
}

let deployment: Deployment;
let producer: IndependentProducer;
let receiver: TestReceiver;
let dead: TopicWatch;
let tenantId: string;
let api: ApiClient;
let samples: ReadonlyMap<string, unknown>;
const scenarios = new Map<string, Scenario>();

/** What each scenario's receiver says to its arrivals, from the first on; the last answer stays. */
const SCRIPTS: Readonly<Record<string, readonly (Answer | (() => Answer))[]>> = {
  'case.opened': [status(500), status(500), status(200)],
  'case.resolved': [status(500)],
  'alert.created': [status(500), status(410)],
  'batch.failed': [status(500)],
  'batch.completed': [status(500)],
  'response.created': [status(500), status(200)],
  'response.approved': [status(302, { location: '/elsewhere' })],
  'response.rejected': [
    status(429, { 'retry-after': '3' }),
    () => status(503, { 'retry-after': new Date(Date.now() + 4_000).toUTCString() }),
    status(200),
  ],
  'response.submitted': [status(200)],
};

beforeAll(async () => {
  deployment = await deploy({ POSTHORN_RETRY_SCHEDULE: '1s,2s', POSTHORN_RETRY_JITTER: '0' });
  const [server, tenant] = await Promise.all([deployment.serve(), deployment.createTenant()]);
  tenantId = tenant.id;
  api = await apiOf(server, tenant);
  samples = await readSamples(api);
  producer = await IndependentProducer.connect();
  receiver = await startTestReceiver({ answer });
  for (const type of Object.keys(SCRIPTS)) scenarios.set(type, await createScenario(type));
  dead = await TopicWatch.open([`${deployment.prefix}deliveries.dead`]);
  await untilRouted({ api, tenantId, producer, receiver });
});

afterAll(async () => {
  await receiver?.close();
  await dead?.[Symbol.asyncDispose]();
  await producer?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});

function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return { kind: 'respond', status: code, headers };
}

function answer({ path }: Arrival): Answer {
  const script = SCRIPTS[path.slice(1)] ?? [status(200)];
  const turn = receiver.arrivals.filter((arrival) => arrival.path === path).length - 1;
  const next = script[turn] ?? script.at(-1) ?? status(200);
  return typeof next === 'function' ? next() : next;
}

async function createScenario(type: string): Promise<Scenario> {
  const path = `/${type}`;
  const webhook = await createWebhook(api, type, receiver.url + path);
  const address = `/api/v1/webhooks/${webhook.id}/`;
  const arrivals = () => receiver.arrivals.filter((arrival) => arrival.path === path);
  return {
    ...webhook,
    path,
    address,
    arrivals,
    arrived: async (count) => {
      await waitUntil(() => arrivals().length >= count, { what: `arrival ${count} of ${type}` });
      return arrivals();
    },
    publish: async () => {
      const [id = ''] = await producer.publish([{ tenantId, type, data: samples.get(type) }]);
      return id;
    },
    patch: async (change) => {
      expect((await api.patch(address, change)).status).toBe(200);
    },
    read: async () => (await api.get(address)).body,
    deadLetters: (count) => dead.find(({ key }) => key === webhook.id, count),
  };
}

function scenarioOf(type: string): Scenario {
  return scenarios.get(type) ?? expect.fail(`no scenario for ${type}`);
}

function verify({ body, headers }: Arrival, secret: string): void {
  new StandardWebhook(secret).verify(body.toString(), headers as Record<string, string>);
}

describe.concurrent('a receiver that does not accept', () => {
  it('is tried again after each delay, never early, with the same id and a fresh signature', async () => {
    const scenario = scenarioOf('case.opened');
    const id = await scenario.publish();
    const arrivals = await scenario.arrived(3);
    expect(arrivals.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(arrivals.map(({ webhookId }) => webhookId))).toEqual(new Set([id]));
    expect(new Set(arrivals.map(({ deliveryId }) => deliveryId)).size).toBe(1);
    expect(new Set(arrivals.map(({ body }) => body.toString())).size).toBe(1);
    expect(new Set(arrivals.map(({ headers }) => headers['webhook-signature'])).size).toBe(3);
    expect(new Set(arrivals.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3);
    for (const arrival of arrivals) verify(arrival, scenario.secret);
    const [first, second, third] = arrivals.map(({ receivedAtMs }) => receivedAtMs);
    expect(Number(second) - Number(first)).toBeGreaterThanOrEqual(1_000);
    expect(Number(third) - Number(second)).toBeGreaterThanOrEqual(2_000);
  });

  it('leaves a dead letter after the last attempt', async () => {
    const scenario = scenarioOf('case.resolved');
    const id = await scenario.publish();
    const [letter] = await scenario.deadLetters(1);
    const arrivals = scenario.arrivals();
    expect(arrivals.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(letter?.key).toBe(scenario.id);
    expect(letter?.headers).toEqual({
      ce_id: id,
      ce_type: 'case.resolved',
      ce_tenantid: tenantId,
      'posthorn-webhook': scenario.id,
      'posthorn-delivery': arrivals[0]?.deliveryId,
      'posthorn-attempt': '3',
      'posthorn-reason': 'attempts_exhausted',
      'posthorn-error': expect.stringContaining('HTTP 500'),
      'posthorn-source': expect.stringMatching(/deliveries\.ready\/\d+\/\d+$/),
      'posthorn-failed-at': expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      'posthorn-last-status': '500',
    });
    expect(letter?.value?.includes(arrivals[0]?.body ?? 'nothing')).toBe(true);
    const isCounted = async () =>
      JSON.stringify((await scenario.read()).stats) ===
      JSON.stringify({ total_deliveries: 1, successful_deliveries: 0, failed_deliveries: 1 });
    await waitUntil(isCounted, { what: 'the right stats' });
  });

  it('ends its webhook and all that waits for it with 410', async () => {
    const scenario = scenarioOf('alert.created');
    const waiting = await scenario.publish();
    await scenario.arrived(1);
    const gone = await scenario.publish();
    await scenario.arrived(2);
    const isDisabled = async () => !(await scenario.read()).is_active;
    await waitUntil(isDisabled, { timeoutMs: 5_000, what: 'that the API shows the webhook as inactive' });
    const letters = await scenario.deadLetters(2);
    const byId = new Map(letters.map(({ headers }) => [headers['ce_id'], headers]));
    expect(byId.get(gone)).toMatchObject({ 'posthorn-reason': 'webhook_gone', 'posthorn-last-status': '410' });
    expect(byId.get(waiting)).toMatchObject({ 'posthorn-reason': 'webhook_gone' });
    expect(scenario.arrivals().length).toBe(2);
  });

  it('is not tried again once its webhook is set inactive', async () => {
    const scenario = scenarioOf('batch.failed');
    const id = await scenario.publish();
    await scenario.arrived(1);
    await scenario.patch({ is_active: false });
    const [letter] = await scenario.deadLetters(1);
    expect(letter?.headers).toMatchObject({ ce_id: id, 'posthorn-reason': 'webhook_disabled' });
    expect(scenario.arrivals().length).toBe(1);
  });

  it('is not tried again once its webhook is deleted', async () => {
    const scenario = scenarioOf('batch.completed');
    const id = await scenario.publish();
    await scenario.arrived(1);
    expect((await api.delete(scenario.address)).status).toBe(200);
    const [letter] = await scenario.deadLetters(1);
    expect(letter?.headers).toMatchObject({ ce_id: id, 'posthorn-reason': 'webhook_deleted' });
    expect(scenario.arrivals().length).toBe(1);
    expect((await api.get(scenario.address)).status).toBe(404);
  });

  it('is repaired by another URL also for what already waits', async () => {
    const scenario = scenarioOf('response.created');
    const id = await scenario.publish();
    const [failed] = await scenario.arrived(1);
    const path = '/repaired';
    await scenario.patch({ webhook_url: receiver.url + path });
    const repaired = await waitUntil(() => receiver.arrivals.find((arrival) => arrival.path === path));
    expect(repaired).toMatchObject({ webhookId: id, attempt: 2, deliveryId: failed?.deliveryId });
    verify(repaired, scenario.secret);
    expect(scenario.arrivals().length).toBe(1);
  });

  it('sends nobody elsewhere with a redirect', async () => {
    const scenario = scenarioOf('response.approved');
    await scenario.publish();
    const [letter] = await scenario.deadLetters(1);
    expect(letter?.headers).toMatchObject({ 'posthorn-reason': 'attempts_exhausted', 'posthorn-last-status': '302' });
    expect(scenario.arrivals().length).toBe(3);
    expect(receiver.arrivals.filter(({ path }) => path === '/elsewhere')).toEqual([]);
  });

  it('is left in peace for as long as it asks with Retry-After, in seconds and as a date', async () => {
    const scenario = scenarioOf('response.rejected');
    await scenario.publish();
    const [first, second, third] = await scenario.arrived(3);
    expect(Number(second?.receivedAtMs) - Number(first?.receivedAtMs)).toBeGreaterThanOrEqual(3_000);
    const asked = Math.floor((Number(second?.receivedAtMs) + 4_000) / 1000) * 1000;
    expect(third?.receivedAtMs).toBeGreaterThanOrEqual(asked);
    expect(scenario.arrivals().map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  it('gets nothing more 5 s after is_active: false, and new events after is_active: true', async () => {
    const scenario = scenarioOf('response.submitted');
    await scenario.publish();
    await scenario.arrived(1);
    await scenario.patch({ is_active: false });
    const inactiveSinceMs = Date.now();
    await waitUntil(async () => {
      await scenario.publish();
      return Date.now() - inactiveSinceMs > 6_000;
    });
    await scenario.patch({ is_active: true });
    const activeSinceMs = Date.now();
    const late = scenario.arrivals().filter(({ receivedAtMs }) => receivedAtMs - inactiveSinceMs > 5_000);
    expect(late.filter(({ receivedAtMs }) => receivedAtMs < activeSinceMs)).toEqual([]);
    let lastId = '';
    const arrivesAgain = async () => {
      const wasThere = scenario.arrivals().some(({ webhookId }) => webhookId === lastId);
      lastId = await scenario.publish();
      return wasThere;
    };
    await waitUntil(arrivesAgain, { what: 'an arrival at the webhook that is active again' });
  });
});
