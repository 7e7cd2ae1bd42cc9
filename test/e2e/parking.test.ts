import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../src/infrastructure/postgres/database.ts';
import { createSilentLogger } from '../../src/infrastructure/telemetry/logger.ts';
import type { ApiClient } from '../support/api-client.ts';
import { apiOf, createWebhook, type Deployment, deploy, type WebhookAnswer } from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import type { PosthornProcess } from '../support/posthorn-process.ts';
import { readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { TopicWatch } from '../support/topic-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const EVENTS = 60;
/** Each scenario is a webhook for a type that no other scenario uses. */
const TYPES = ['case.opened', 'case.resolved', 'alert.created', 'batch.failed'];

let deployment: Deployment;
let server: PosthornProcess;
let database: Database;
let producer: IndependentProducer;
let receiver: TestReceiver;
let dead: TopicWatch;
let api: ApiClient;
let samples: ReadonlyMap<string, unknown>;
let tenantId: string;
const webhooks = new Map<string, WebhookAnswer>();
/** Paths whose receiver answers 500. */
const down = new Set<string>();

beforeAll(async () => {
  deployment = await deploy({
    POSTHORN_PARK_AFTER: '1s',
    POSTHORN_RETRY_SCHEDULE: Array.from({ length: 30 }, () => '2s').join(','),
    POSTHORN_RETRY_JITTER: '0',
  });
  server = await deployment.serve();
  const tenant = await deployment.createTenant();
  tenantId = tenant.id;
  api = await apiOf(server, tenant);
  database = openDatabase({ url: deployment.env['POSTHORN_DATABASE_URL'] ?? '', log: createSilentLogger() });
  producer = await IndependentProducer.connect();
  receiver = await startTestReceiver({
    answer: ({ path }) => ({ kind: 'respond', status: down.has(path) ? 500 : 200 }),
  });
  samples = await readSamples(api);
  for (const type of TYPES) webhooks.set(type, await createWebhook(api, type, `${receiver.url}/${type}`));
  dead = await TopicWatch.open([`${deployment.prefix}deliveries.dead`]);
  await untilRouted({ api, tenantId, producer, receiver });
});

afterAll(async () => {
  await receiver?.close();
  await dead?.[Symbol.asyncDispose]();
  await producer?.[Symbol.asyncDispose]();
  await database?.close();
  await deployment?.[Symbol.asyncDispose]();
});

function webhookOf(type: string): WebhookAnswer {
  return webhooks.get(type) ?? expect.fail(`no webhook for ${type}`);
}

function publish(type: string, count = EVENTS): Promise<string[]> {
  return producer.publish(Array.from({ length: count }, () => ({ tenantId, type, data: samples.get(type) })));
}

async function countParked(type: string): Promise<number> {
  const parked = { webhook_id: webhookOf(type).id, status: 'parked' };
  const [row] = await database.knex('deliveries').where(parked).count();
  return Number(row?.['count']);
}

/** Publishes to a webhook that is down, and resolves when the most of it is parked. */
async function park(type: string): Promise<string[]> {
  down.add(`/${type}`);
  const ids = await publish(type);
  await waitUntil(async () => (await countParked(type)) >= EVENTS / 2, { what: `that ${type} is parked` });
  return ids;
}

/** How often each event was accepted at a path. */
function acceptedAt(path: string, sinceMs: number, ids: readonly string[]): number[] {
  const accepted = receiver.arrivals.filter((arrival) => arrival.path === path && arrival.receivedAtMs >= sinceMs);
  return ids.map((id) => accepted.filter(({ webhookId }) => webhookId === id).length);
}

const once = (counts: readonly number[]) => counts.every((count) => count === 1);
const arrived = (counts: readonly number[]) => counts.every((count) => count >= 1);

it('everything arrives, each once, when a webhook that was parked is back', async () => {
  const type = 'case.opened';
  const ids = await park(type);
  ids.push(...(await publish(type, 10)));
  const backAtMs = Date.now();
  down.delete(`/${type}`);
  const accepted = () => acceptedAt(`/${type}`, backAtMs, ids);
  await waitUntil(() => arrived(accepted()), { timeoutMs: 90_000, what: 'that everything has arrived' });
  await deployment.settled();
  expect(once(accepted())).toBe(true);
  expect(dead.records.filter(({ key }) => key === webhookOf(type).id)).toEqual([]);
  const address = `/api/v1/webhooks/${webhookOf(type).id}/`;
  const all = { total_deliveries: ids.length, successful_deliveries: ids.length, failed_deliveries: 0 };
  const isCounted = async () => JSON.stringify((await api.get(address)).body.stats) === JSON.stringify(all);
  await waitUntil(isCounted, { what: 'that the API counts everything as successful' });
  expect(
    server.log().some(({ msg, webhookId }) => msg === 'releaser.released' && webhookId === webhookOf(type).id),
  ).toBe(true);
});

it('what is parked goes to the new URL when its owner repairs the webhook', async () => {
  const type = 'case.resolved';
  const ids = await park(type);
  const change = { webhook_url: `${receiver.url}/repaired` };
  expect((await api.patch(`/api/v1/webhooks/${webhookOf(type).id}/`, change)).status).toBe(200);
  const accepted = () => acceptedAt('/repaired', 0, ids);
  await waitUntil(() => arrived(accepted()), { timeoutMs: 60_000, what: 'that everything has arrived' });
  await deployment.settled();
  expect(once(accepted())).toBe(true);
});

it.each([
  ['deleted', 'alert.created', 'webhook_deleted', (path: string) => api.delete(path)],
  ['set inactive', 'batch.failed', 'webhook_disabled', (path: string) => api.patch(path, { is_active: false })],
])('what is parked for a webhook that is %s ends as dead letters that say so', async (_, type, reason, change) => {
  const ids = await park(type);
  expect((await change(`/api/v1/webhooks/${webhookOf(type).id}/`)).status).toBe(200);
  const letters = await dead.find(({ key }) => key === webhookOf(type).id, EVENTS);
  expect(new Set(letters.map(({ headers }) => headers['posthorn-reason']))).toEqual(new Set([reason]));
  expect(letters).toHaveLength(EVENTS);
  expect(new Set(letters.map(({ headers }) => headers['ce_id']))).toEqual(new Set(ids));
});
