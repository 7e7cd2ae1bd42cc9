import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { apiOf, createDeployment, createWebhook, type Deployment, deploy } from '../support/deployment.ts';
import { IndependentProducer, topicOf } from '../support/independent-producer.ts';
import type { PosthornProcess } from '../support/posthorn-process.ts';
import { readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { startSwitchableProxy } from '../support/switchable-proxy.ts';
import { TopicWatch } from '../support/topic-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const TYPE = 'onboarding.revoked';

const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of open.splice(0).toReversed()) await resource[Symbol.asyncDispose]();
});

function keep<T extends AsyncDisposable>(resource: T): T {
  open.push(resource);
  return resource;
}

async function openReceiver(options: Parameters<typeof startTestReceiver>[0] = {}): Promise<TestReceiver> {
  const receiver = await startTestReceiver(options);
  open.push({ [Symbol.asyncDispose]: () => receiver.close() });
  return receiver;
}

/** Where `/readyz` answers; known from the log before anything serves. */
async function opsUrlOf(server: PosthornProcess): Promise<string> {
  const url = () => server.log().find(({ msg }) => msg === 'serve.ops_listening')?.['opsUrl'];
  return String(await waitUntil(url, { what: 'the address of the ops port' }));
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

async function expectDelivery(deployment: Deployment, server: PosthornProcess): Promise<void> {
  const tenant = await deployment.createTenant();
  const api = await apiOf(server, tenant);
  const producer = keep(await IndependentProducer.connect());
  await untilRouted({ api, tenantId: tenant.id, producer, receiver: await openReceiver() });
}

describe('a start in any order', () => {
  it('waits for posthorn bootstrap, says so, and then works', async () => {
    const deployment = keep(await createDeployment());
    const server = deployment.start();
    const opsUrl = await opsUrlOf(server);
    await waitUntil(async () => (await readiness(opsUrl)).waitsFor?.includes('posthorn bootstrap'));
    expect((await readiness(opsUrl)).status).toBe(503);
    expect((await fetch(`${opsUrl}/livez`)).status).toBe(200);
    expect(waits(server).join('\n')).toContain('posthorn bootstrap');
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
    const deployment = keep(await deploy());
    const registry = keep(await startSwitchableProxy(String(deployment.env['POSTHORN_SCHEMA_REGISTRY_URL'])));
    const database = keep(await startSwitchableProxy(String(deployment.env['POSTHORN_DATABASE_URL'])));
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
    expect(waits(server).map((line) => line.split(':', 1)[0])).toEqual(
      expect.arrayContaining(['PostgreSQL', 'schema registry']),
    );
    await registry.open();
    await server.ready();
    await expectDelivery(deployment, server);
  });
});

describe('an outage while it runs', () => {
  it('does not stop deliveries when PostgreSQL is away, and the log catches up', async () => {
    const deployment = keep(await deploy());
    const database = keep(await startSwitchableProxy(String(deployment.env['POSTHORN_DATABASE_URL'])));
    const server = await deployment.serve(null, { POSTHORN_DATABASE_URL: database.url });
    const tenant = await deployment.createTenant();
    const api = await apiOf(server, tenant);
    const samples = await readSamples(api);
    const producer = keep(await IndependentProducer.connect());
    const receiver = await openReceiver();
    const webhook = await createWebhook(api, 'case.opened', `${receiver.url}/outage`);
    await untilRouted({ api, tenantId: tenant.id, producer, receiver });

    await database.close();
    const events = Array.from({ length: 20 }, () => ({
      tenantId: tenant.id,
      type: 'case.opened',
      data: samples.get('case.opened'),
    }));
    const ids = await producer.publish(events);
    const arrived = () => receiver.arrivals.filter(({ path }) => path === '/outage').map(({ webhookId }) => webhookId);
    await waitUntil(() => arrived().length >= ids.length, { what: 'the deliveries during the outage' });
    expect(arrived().toSorted()).toEqual(ids.toSorted());
    await database.open();
    const isCounted = async () => {
      const { status, body } = await api
        .get(`/api/v1/webhooks/${webhook.id}/`)
        .catch(() => ({ status: 0, body: null }));
      return status === 200 && body.stats.successful_deliveries === ids.length;
    };
    await waitUntil(isCounted, { what: 'the stats of the outage' });
  });

  it('pauses events while the registry cannot be asked for their schema, and loses none', async () => {
    const deployment = keep(await deploy());
    const registry = keep(await startSwitchableProxy(String(deployment.env['POSTHORN_SCHEMA_REGISTRY_URL'])));
    const server = await deployment.serve(null, { POSTHORN_SCHEMA_REGISTRY_URL: registry.url });
    const tenant = await deployment.createTenant();
    const api = await apiOf(server, tenant);
    const samples = await readSamples(api);
    const producer = keep(await IndependentProducer.connect());
    const receiver = await openReceiver();
    await createWebhook(api, TYPE, `${receiver.url}/paused`);
    await untilRouted({ api, tenantId: tenant.id, producer, receiver });
    const dead = keep(await TopicWatch.open([`${deployment.prefix}events.dead`]));

    await registry.close();
    const good = await producer.message({ tenantId: tenant.id, type: TYPE, data: samples.get(TYPE) });
    const value = Buffer.from(good.value ?? '');
    // An id that nobody has asked for yet, so that no answer can be remembered.
    value.writeUInt32BE(randomInt(1_000_000_000, 2_000_000_000), 1);
    await producer.sendRaw(topicOf(TYPE), 0, [{ ...good, value }, good]);
    const isWaiting = () => server.log().some(({ msg }) => msg === 'router.waits_for_registry');
    await waitUntil(isWaiting, { what: 'that the router says what it waits for' });
    const isOurs = ({ headers }: { headers: Readonly<Record<string, string>> }) => headers['ce_tenantid'] === tenant.id;
    expect(dead.records.filter(isOurs)).toEqual([]);
    await registry.open();
    const arrived = () => receiver.arrivals.filter(({ path }) => path === '/paused').map(({ webhookId }) => webhookId);
    await waitUntil(() => arrived().length > 0, { what: 'the event that had to wait' });
    const [letter] = await dead.find(isOurs);
    expect(letter?.headers['posthorn-reason']).toBe('unknown_schema');
    await deployment.settled();
    expect(arrived()).toEqual([good.headers?.['ce_id']]);
    expect(dead.records.filter(isOurs).length).toBe(1);
  });
});

describe('a stop', () => {
  it('ends an idle process within 5 s with exit code 0 and takes the ready file away', async () => {
    const deployment = keep(await deploy());
    const server = await deployment.serve();
    await deployment.settled();
    expect(existsSync(server.readyPath)).toBe(true);
    const askedAtMs = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - askedAtMs).toBeLessThan(5_000);
    expect(existsSync(server.readyPath)).toBe(false);
  });

  it('ends a process that still waits for its servers', async () => {
    const deployment = keep(await createDeployment());
    const server = deployment.start();
    await waitUntil(() => waits(server).length > 0);
    expect(await server.stop()).toBe(0);
  });

  it('lets an attempt that is under way end, unless a second signal asks to end at once', async () => {
    const deployment = keep(await deploy());
    const server = await deployment.serve();
    const tenant = await deployment.createTenant();
    const api = await apiOf(server, tenant);
    const samples = await readSamples(api);
    const producer = keep(await IndependentProducer.connect());
    const receiver = await openReceiver({
      answer: ({ path }) =>
        path === '/slow' ? { kind: 'respond', status: 200, delayMs: 3_000 } : { kind: 'respond', status: 200 },
    });
    await createWebhook(api, 'case.opened', `${receiver.url}/slow`);
    await untilRouted({ api, tenantId: tenant.id, producer, receiver });
    const event = { tenantId: tenant.id, type: 'case.opened', data: samples.get('case.opened') };
    const slow = () => receiver.arrivals.filter(({ path }) => path === '/slow');

    const [first] = await producer.publish([event]);
    await waitUntil(() => slow().length === 1);
    expect(await server.stop()).toBe(0);
    const next = await deployment.serve();
    const [second] = await producer.publish([event]);
    await waitUntil(() => slow().length === 2);
    expect(slow().map(({ webhookId }) => webhookId)).toEqual([first, second]);

    next.signal('SIGTERM');
    await waitUntil(() => !existsSync(next.readyPath), { what: 'that the stop began' });
    expect(await next.stop()).toBe(130);
  });
});
