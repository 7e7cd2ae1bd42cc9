import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf, createWebhook, type Deployment, deploy } from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import type { PosthornProcess } from '../support/posthorn-process.ts';
import { readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { waitUntil } from '../support/wait-until.ts';

const TYPE = 'case.opened';
/** So many that none of three members can do without one: their ids, and so their partitions, are chance. */
const WEBHOOKS = 25;
const EVENTS = 80;
const DELIVERIES = WEBHOOKS * EVENTS;
/** What a kill may repeat at the most, known before: what is in flight and what is resolved but not committed. */
const IN_FLIGHT = 50;
const UNCOMMITTED = 100;

let deployment: Deployment;
let workers: PosthornProcess[];
let others: PosthornProcess[];
let producer: IndependentProducer;
let receiver: TestReceiver;
let publish: () => Promise<string[]>;

beforeAll(async () => {
  deployment = await deploy({
    POSTHORN_DELIVERY_CONCURRENCY: String(IN_FLIGHT),
    POSTHORN_WEBHOOK_CONCURRENCY: String(IN_FLIGHT / WEBHOOKS),
    POSTHORN_DELIVERY_MAX_UNCOMMITTED: String(UNCOMMITTED),
  });
  others = await Promise.all(['api', 'router', 'retry', 'recorder'].map((role) => deployment.serve([role])));
  workers = await Promise.all([0, 1, 2].map((instance) => startWorker(instance)));
  producer = await IndependentProducer.connect();
  receiver = await startTestReceiver({ answer: () => ({ kind: 'respond', status: 200, delayMs: 100 }) });
  const tenant = await deployment.createTenant();
  const [server] = others;
  if (server === undefined) throw new Error('there is no API');
  const api = await apiOf(server, tenant);
  const data = (await readSamples(api)).get(TYPE);
  for (let index = 0; index < WEBHOOKS; index++) await createWebhook(api, TYPE, `${receiver.url}/hook/${index}`);
  await untilRouted({ api, tenantId: tenant.id, producer, receiver });
  publish = () => producer.publish(Array.from({ length: EVENTS }, () => ({ tenantId: tenant.id, type: TYPE, data })));
});

afterAll(async () => {
  await receiver?.close();
  await producer?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});

function startWorker(instance: number): Promise<PosthornProcess> {
  return deployment.serve(['delivery'], { POSTHORN_INSTANCE: String(instance) });
}

/** How often each of the events reached each webhook. */
function countsOf(ids: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (let index = 0; index < WEBHOOKS; index++) for (const id of ids) counts.set(`/hook/${index} ${id}`, 0);
  for (const { path, webhookId } of receiver.arrivals) {
    const key = `${path} ${webhookId}`;
    const count = counts.get(key);
    if (count !== undefined) counts.set(key, count + 1);
  }
  return counts;
}

function summaryOf(ids: readonly string[]) {
  const counts = [...countsOf(ids).values()];
  return {
    missing: counts.filter((count) => count === 0).length,
    repeated: counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
  };
}

async function whenArrived(ids: readonly string[], count: number): Promise<void> {
  const wanted = () => DELIVERIES - summaryOf(ids).missing >= count;
  await waitUntil(wanted, { timeoutMs: 90_000, what: `the arrival of ${count} deliveries` });
}

function attemptsOf(worker: PosthornProcess): number {
  return worker.log().filter((line) => line.msg === 'delivery.attempted' && line['eventType'] === TYPE).length;
}

describe('one process per role, and three that deliver', () => {
  it('delivers everything once, with a share for each of the three', async () => {
    const before = workers.map(attemptsOf);
    const ids = await publish();
    await whenArrived(ids, DELIVERIES);
    await deployment.settled();
    expect(summaryOf(ids)).toEqual({ missing: 0, repeated: 0 });
    const shares = workers.map((worker, index) => attemptsOf(worker) - (before[index] ?? 0));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(DELIVERIES);
    expect(Math.min(...shares)).toBeGreaterThan(0);
  });

  it('loses and repeats nothing when one of them is asked to stop in the middle', async () => {
    const ids = await publish();
    await whenArrived(ids, DELIVERIES * 0.3);
    expect(await workers[1]?.stop()).toBe(0);
    expect(summaryOf(ids).missing).toBeGreaterThan(0);
    await whenArrived(ids, DELIVERIES);
    await deployment.settled();
    expect(summaryOf(ids)).toEqual({ missing: 0, repeated: 0 });
  });

  it('loses nothing when one of them is killed in the middle, and repeats no more than it said before', async () => {
    const ids = await publish();
    await whenArrived(ids, DELIVERIES * 0.3);
    expect(await workers[2]?.stop('SIGKILL')).toBe('SIGKILL');
    expect(summaryOf(ids).missing).toBeGreaterThan(0);
    await whenArrived(ids, DELIVERIES);
    await deployment.settled(60_000);
    const { missing, repeated } = summaryOf(ids);
    expect(missing).toBe(0);
    expect(repeated).toBeLessThanOrEqual(IN_FLIGHT + UNCOMMITTED);
  });
});
