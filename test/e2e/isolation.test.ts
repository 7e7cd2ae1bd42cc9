import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.ts';
import { apiOf, createWebhook, type Deployment, deploy, type Tenant } from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import { type Probe, readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const TYPE = 'case.opened';
const ROUNDS = 30;
const EVENTS_PER_ROUND = 10;
/** Far more than there are slots: a pool without lanes would be full of hanging requests after the first round. */
const SLOTS = 20;
const HANGING_WEBHOOKS = 5;

let deployment: Deployment;
let producer: IndependentProducer;
let receiver: TestReceiver;
let tenant: Tenant;
let api: ApiClient;
let probe: Probe;

beforeAll(async () => {
  deployment = await deploy({ POSTHORN_DELIVERY_CONCURRENCY: String(SLOTS), POSTHORN_DELIVERY_TIMEOUT: '10s' });
  const [server, created] = await Promise.all([deployment.serve(), deployment.createTenant()]);
  tenant = created;
  api = await apiOf(server, tenant);
  producer = await IndependentProducer.connect();
  receiver = await startTestReceiver({
    answer: ({ path }) => {
      if (path.startsWith('/hanging')) return { kind: 'hang' };
      return { kind: 'respond', status: 200, ...(path === '/slow' ? { delayMs: 2_000 } : {}) };
    },
  });
  probe = { api, tenantId: tenant.id, producer, receiver };
});

afterAll(async () => {
  await receiver?.close();
  await producer?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});

/** Publishes at a steady pace and gives back how long each event took to the healthy webhook, sorted, in milliseconds. */
async function latencies(): Promise<number[]> {
  const data = (await readSamples(api)).get(TYPE);
  const publishedAtMs = new Map<string, number>();
  const events = Array.from({ length: EVENTS_PER_ROUND }, () => ({ tenantId: tenant.id, type: TYPE, data }));
  for (let round = 0; round < ROUNDS; round++) {
    const atMs = Date.now();
    for (const id of await producer.publish(events)) publishedAtMs.set(id, atMs);
    await waitUntil(() => Date.now() - atMs >= 50);
  }
  const arrivals = () =>
    receiver.arrivals.filter(({ path, webhookId }) => path === '/healthy' && publishedAtMs.has(webhookId ?? ''));
  await waitUntil(() => arrivals().length >= publishedAtMs.size, { what: 'the arrival of all events' });
  return arrivals()
    .map(({ webhookId, receivedAtMs }) => receivedAtMs - (publishedAtMs.get(webhookId ?? '') ?? 0))
    .toSorted((a, b) => a - b);
}

function p99(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length * 0.99)] ?? Number.POSITIVE_INFINITY;
}

it('delivers to a healthy webhook as fast beside hanging and slow ones as without them', async () => {
  await createWebhook(api, TYPE, `${receiver.url}/healthy`);
  await untilRouted(probe);
  await latencies();
  const undisturbed = await latencies();

  for (let index = 0; index < HANGING_WEBHOOKS; index++)
    await createWebhook(api, TYPE, `${receiver.url}/hanging/${index}`);
  await createWebhook(api, TYPE, `${receiver.url}/slow`);
  await untilRouted(probe);
  const disturbed = await latencies();

  const hanging = receiver.arrivals.filter(({ path }) => path.startsWith('/hanging'));
  expect(new Set(hanging.map(({ path }) => path)).size).toBe(HANGING_WEBHOOKS);
  // A dead receiver gets few requests: one at a time.
  expect(hanging.length).toBeLessThan(SLOTS);
  // Generous, because the machine is shared; a delayed webhook would wait for timeouts of 10 s.
  expect(p99(disturbed)).toBeLessThan(5 * p99(undisturbed) + 1_000);
});
