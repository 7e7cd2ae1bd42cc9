import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOf, createDeployment, createWebhook, type Deployment, deploy } from '../support/deployment.ts';
import { IndependentProducer, topicOf } from '../support/independent-producer.ts';
import type { PosthornProcess } from '../support/posthorn-process.ts';
import { type Probe, readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { type SwitchableProxy, startSwitchableProxy } from '../support/switchable-proxy.ts';
import { TopicWatch } from '../support/topic-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const TYPE = 'onboarding.revoked';

/** Where `/readyz` answers; known from the log before anything serves. */
async function opsUrlOf(server: PosthornProcess): Promise<string> {
  const url = () => {
    const line = server.log().find(({ msg }) => msg === 'serve.ops_listening');
    return typeof line?.['opsUrl'] === 'string' ? line['opsUrl'] : null;
  };
  return waitUntil(url, { what: 'the address of the ops port' });
}

async function readiness(opsUrl: string) {
  const response = await fetch(`${opsUrl}/readyz`);
  const { dependencies } = (await response.json()) as { dependencies: Record<string, { waits_for?: string }> };
  return { status: response.status, waitsFor: dependencies['start']?.waits_for ?? null };
}

/** What `start.waits` said, in order. */
function waits(server: PosthornProcess): string[] {
  return server
    .log()
    .filter(({ msg }) => msg === 'start.waits')
    .map((line) => `${String(line['waitsFor'])}: ${String(line['reason'])}`);
}

async function openClient(deployment: Deployment, server: PosthornProcess, receiver: TestReceiver): Promise<Probe> {
  const tenant = await deployment.createTenant();
  const api = await apiOf(server, tenant);
  return { api, tenantId: tenant.id, producer: await IndependentProducer.connect(), receiver };
}

async function closeClient(client: Probe | undefined): Promise<void> {
  await client?.receiver.close();
  await client?.producer[Symbol.asyncDispose]();
}

async function expectDelivery(deployment: Deployment, server: PosthornProcess): Promise<void> {
  const client = await openClient(deployment, server, await startTestReceiver());
  try {
    await untilRouted(client);
  } finally {
    await closeClient(client);
  }
}

function idsAt(receiver: TestReceiver, path: string): string[] {
  const arrivals = receiver.arrivals.filter((arrival) => arrival.path === path);
  return arrivals.map(({ webhookId }) => webhookId ?? 'none').toSorted();
}

describe('a start in any order', () => {
  it('waits for posthorn bootstrap, says so, and then works', async () => {
    await using deployment = await createDeployment();
    const server = deployment.start();
    const opsUrl = await opsUrlOf(server);
    await waitUntil(async () => (await readiness(opsUrl)).waitsFor?.includes('posthorn bootstrap'));
    expect((await readiness(opsUrl)).status).toBe(503);
    expect((await fetch(`${opsUrl}/livez`)).status).toBe(200);
    await waitUntil(() => waits(server).join('\n').includes('posthorn bootstrap'));
    expect(existsSync(server.readyPath)).toBe(false);

    await deployment.bootstrap();
    const ready = await server.ready();
    expect(ready).toEqual({
      roles: ['api', 'router', 'delivery', 'retry', 'recorder'],
      pid: server.pid,
      apiUrl: expect.stringMatching(/^http:\/\/localhost:\d+$/),
      opsUrl,
    });
    await waitUntil(async () => (await readiness(opsUrl)).status === 200, { what: 'that it is ready' });
    await expectDelivery(deployment, server);
  });

  it('waits for a registry and a database that are down, says so, and then works', async () => {
    await using deployment = await deploy();
    await using registry = await startSwitchableProxy(String(deployment.env['POSTHORN_SCHEMA_REGISTRY_URL']));
    await using database = await startSwitchableProxy(String(deployment.env['POSTHORN_DATABASE_URL']));
    await registry.close();
    await database.close();
    const server = deployment.start(null, {
      POSTHORN_SCHEMA_REGISTRY_URL: registry.url,
      POSTHORN_DATABASE_URL: database.url,
    });
    const opsUrl = await opsUrlOf(server);
    await waitUntil(async () => (await readiness(opsUrl)).waitsFor?.startsWith('PostgreSQL: '));
    await database.open();
    await waitUntil(async () => (await readiness(opsUrl)).waitsFor?.startsWith('schema registry: '));
    expect((await readiness(opsUrl)).status).toBe(503);
    const said = () => new Set(waits(server).map((line) => line.split(':', 1)[0]));
    await waitUntil(() => said().has('PostgreSQL') && said().has('schema registry'));
    await registry.open();
    await server.ready();
    await expectDelivery(deployment, server);
  });
});

describe('an outage while it runs', () => {
  let deployment: Deployment;
  let registry: SwitchableProxy;
  let database: SwitchableProxy;
  let server: PosthornProcess;
  let client: Probe;

  beforeAll(async () => {
    deployment = await deploy();
    registry = await startSwitchableProxy(String(deployment.env['POSTHORN_SCHEMA_REGISTRY_URL']));
    database = await startSwitchableProxy(String(deployment.env['POSTHORN_DATABASE_URL']));
    server = await deployment.serve(null, {
      POSTHORN_SCHEMA_REGISTRY_URL: registry.url,
      POSTHORN_DATABASE_URL: database.url,
    });
    client = await openClient(deployment, server, await startTestReceiver());
  });

  afterAll(async () => {
    await closeClient(client);
    await registry?.close();
    await deployment?.[Symbol.asyncDispose]();
    await database?.close();
  });

  it('does not stop deliveries when PostgreSQL is away, and the log catches up', async () => {
    const { api, tenantId, producer, receiver } = client;
    const data = (await readSamples(api)).get('case.opened');
    const webhook = await createWebhook(api, 'case.opened', `${receiver.url}/outage`);
    await untilRouted(client);

    await database.close();
    const ids = await producer.publish(Array.from({ length: 20 }, () => ({ tenantId, type: 'case.opened', data })));
    await waitUntil(() => idsAt(receiver, '/outage').length >= ids.length, { what: 'the deliveries' });
    expect(idsAt(receiver, '/outage')).toEqual(ids.toSorted());
    await database.open();
    const isCounted = async () => {
      const answer = await api.get(`/api/v1/webhooks/${webhook.id}/`).catch(() => null);
      return answer?.status === 200 && answer.body.stats.successful_deliveries === ids.length;
    };
    await waitUntil(isCounted, { what: 'the stats of the outage' });
  });

  it('pauses events while the registry cannot be asked for their schema, and loses none', async () => {
    const { api, tenantId, producer, receiver } = client;
    const data = (await readSamples(api)).get(TYPE);
    await createWebhook(api, TYPE, `${receiver.url}/paused`);
    await untilRouted(client);
    await using dead = await TopicWatch.open([`${deployment.prefix}events.dead`]);

    await registry.close();
    const good = await producer.message({ tenantId, type: TYPE, data });
    const value = Buffer.from(good.value ?? '');
    // An id that nobody has asked for yet, so that no answer can be remembered.
    value.writeUInt32BE(randomInt(1_000_000_000, 2_000_000_000), 1);
    await producer.sendRaw(topicOf(TYPE), 0, [{ ...good, value }, good]);
    const isWaiting = () => server.log().some(({ msg }) => msg === 'router.waits_for_registry');
    await waitUntil(isWaiting, { what: 'that the router says what it waits for' });
    const isOurs = ({ headers }: { headers: Readonly<Record<string, string>> }) => headers['ce_tenantid'] === tenantId;
    expect(dead.records.filter(isOurs)).toEqual([]);
    await registry.open();
    await waitUntil(() => idsAt(receiver, '/paused').length > 0, { what: 'the event that had to wait' });
    const [letter] = await dead.find(isOurs);
    expect(letter?.headers['posthorn-reason']).toBe('unknown_schema');
    await deployment.settled();
    expect(idsAt(receiver, '/paused')).toEqual([good.headers?.['ce_id']]);
    expect(dead.records.filter(isOurs).length).toBe(1);
  });
});

describe('a stop', () => {
  let deployment: Deployment;
  let server: PosthornProcess;
  let client: Probe;
  let data: unknown;

  beforeAll(async () => {
    deployment = await deploy();
    server = await deployment.serve();
    const receiver = await startTestReceiver({
      answer: ({ path }) => ({ kind: 'respond', status: 200, ...(path === '/slow' ? { delayMs: 3_000 } : {}) }),
    });
    client = await openClient(deployment, server, receiver);
    data = (await readSamples(client.api)).get(TYPE);
    await createWebhook(client.api, TYPE, `${receiver.url}/slow`);
    await untilRouted(client);
  });

  afterAll(async () => {
    await closeClient(client);
    await deployment?.[Symbol.asyncDispose]();
  });

  it('ends a process that still waits for its servers', async () => {
    const waiting = deployment.start(['router'], { POSTHORN_SCHEMA_REGISTRY_URL: 'http://127.0.0.1:9' });
    await waitUntil(() => waits(waiting).length > 0);
    expect(await waiting.stop()).toBe(0);
  });

  it('ends an idle process within 5 s with exit code 0 and takes the ready file away', async () => {
    await deployment.settled();
    expect(existsSync(server.readyPath)).toBe(true);
    const askedAtMs = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - askedAtMs).toBeLessThan(5_000);
    expect(existsSync(server.readyPath)).toBe(false);
  });

  it('lets an attempt that is under way end, unless a second signal asks to end at once', async () => {
    const { tenantId, producer, receiver } = client;
    const first = await deployment.serve(['router', 'delivery']);
    const event = { tenantId, type: TYPE, data };
    const ids = await producer.publish([event]);
    await waitUntil(() => idsAt(receiver, '/slow').length === 1);
    expect(await first.stop()).toBe(0);

    const second = await deployment.serve(['router', 'delivery']);
    ids.push(...(await producer.publish([event])));
    await waitUntil(() => idsAt(receiver, '/slow').length === 2);
    expect(idsAt(receiver, '/slow')).toEqual(ids.toSorted());
    second.signal('SIGTERM');
    await waitUntil(() => !existsSync(second.readyPath), { what: 'that the stop began' });
    expect(await second.stop()).toBe(130);
  });
});
