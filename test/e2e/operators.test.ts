import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiClient } from '../support/api-client.ts';
import {
  apiOf,
  createWebhook,
  type Deployment,
  deploy,
  type Tenant,
  type WebhookAnswer,
} from '../support/deployment.ts';
import { IndependentProducer } from '../support/independent-producer.ts';
import { OpsPort } from '../support/ops-port.ts';
import { type OtlpCollector, startOtlpCollector } from '../support/otlp-collector.ts';
import type { PosthornProcess } from '../support/posthorn-process.ts';
import { readSamples, untilRouted } from '../support/probe.ts';
import { startTestReceiver, type TestReceiver } from '../support/receiver.ts';
import { startSwitchableProxy } from '../support/switchable-proxy.ts';
import { waitUntil } from '../support/wait-until.ts';

const TYPE = 'case.opened';
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PRODUCER_SPAN_ID = '00f067aa0ba902b7';
const CANARY_IN_DATABASE_URL = 'canary-in-database-url';
const CLIENT_KIND = 3;
const CONSUMER_KIND = 5;

interface StatusJson {
  readonly kafka: {
    readonly groups: readonly { readonly role: string; readonly state: string; readonly members: number }[];
    readonly retry_tiers: readonly { readonly waiting: number; readonly next_due_ms: number | null }[];
    readonly missing_topics: readonly string[];
  };
  readonly database: {
    readonly webhooks: { readonly active: number };
    readonly webhooks_in_trouble: readonly { readonly failed_last_hour: number }[];
    readonly dead_letters: readonly { readonly reason: string }[];
  };
}

let deployment: Deployment;
let collector: OtlpCollector;
let producer: IndependentProducer;
let receiver: TestReceiver;
let server: PosthornProcess;
let ops: OpsPort;
let tenant: Tenant;
let api: ApiClient;
let sample: unknown;
let accepting: WebhookAnswer;
let failing: WebhookAnswer;
let eventId: string;
let untracedId: string;

/** The driver ignores it; a log line with the URL, where the password is, would show it. */
function withCanary(url: string): string {
  return `${url}?fallback_application_name=${CANARY_IN_DATABASE_URL}`;
}

beforeAll(async () => {
  [deployment, collector, producer] = await Promise.all([
    deploy(),
    startOtlpCollector(),
    IndependentProducer.connect(),
  ]);
  receiver = await startTestReceiver({
    answer: ({ path }) => ({
      kind: 'respond',
      status: path.startsWith('/failing') ? 500 : 200,
      ...(path === '/slow' ? { delayMs: 4_000 } : {}),
    }),
  });
  server = await deployment.serve(null, {
    POSTHORN_LOG_LEVEL: 'debug',
    POSTHORN_DATABASE_URL: withCanary(String(deployment.env['POSTHORN_DATABASE_URL'])),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  });
  ops = await OpsPort.of(server);
  tenant = await deployment.createTenant();
  api = await apiOf(server, tenant);
  sample = (await readSamples(api)).get(TYPE);
  accepting = await createWebhook(api, TYPE, `${receiver.url}/accepting?token=canary-token-in-url`);
  failing = await createWebhook(api, TYPE, `${receiver.url}/failing`);
  await untilRouted({ api, tenantId: tenant.id, producer, receiver });
  const event = { tenantId: tenant.id, type: TYPE, data: sample };
  const traceparent = `00-${TRACE_ID}-${PRODUCER_SPAN_ID}-01`;
  [eventId = '', untracedId = ''] = await producer.publish([{ ...event, headers: { traceparent } }, event]);
  const arrived = (path: string) => receiver.arrivals.filter((arrival) => arrival.path.startsWith(path)).length;
  await waitUntil(() => arrived('/accepting') === 2 && arrived('/failing') >= 2, { what: 'the deliveries' });
});

afterAll(async () => {
  await receiver?.close();
  await producer?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
});

describe('metrics', () => {
  it('count attempts by outcome, class of failure and tier, and measure how long events take', async () => {
    const failed = 'posthorn_attempts_total{outcome="failed",code_class="http_5xx",tier="first"}';
    await waitUntil(async () => ((await ops.metrics()).get(failed) ?? 0) >= 2, { what: 'the failed attempts' });
    const metrics = await ops.metrics();
    const get = (line: string) => metrics.get(line) ?? 0;
    expect(get('posthorn_attempts_total{outcome="succeeded",code_class="none",tier="first"}')).toBeGreaterThanOrEqual(
      2,
    );
    expect(get('posthorn_event_to_accept_seconds_count{attempt="first"}')).toBeGreaterThanOrEqual(2);
    expect(get('posthorn_event_to_accept_seconds_sum{attempt="first"}')).toBeGreaterThan(0);
    expect(get('posthorn_attempt_seconds_bucket{outcome="failed",le="+Inf"}')).toBe(
      get('posthorn_attempt_seconds_count{outcome="failed"}'),
    );
    expect(get('posthorn_retries_scheduled_total{tier="5s"}')).toBeGreaterThanOrEqual(2);
    // Input topics are shared with all who test.
    expect(get(`posthorn_events_routed_total{type="${TYPE}"}`)).toBeGreaterThanOrEqual(2);
    expect(get('posthorn_deliveries_created_total')).toBeGreaterThanOrEqual(4);
    expect(get('posthorn_delivery_connections{state="idle"}')).toBeGreaterThan(0);
  });

  it('show lanes, breakers, caches, dependencies and groups', async () => {
    const shown = async () => {
      const metrics = await ops.metrics();
      const get = (line: string) => metrics.get(line) ?? Number.NaN;
      return {
        lanes: get('posthorn_delivery_lanes{class="healthy"}') + get('posthorn_delivery_lanes{class="failing"}'),
        open: get('posthorn_delivery_breakers{state="open"}'),
        webhooks: get('posthorn_webhooks{state="active"}'),
        secrets: get('posthorn_webhook_secrets{key="older"}'),
        joins: get('posthorn_rebalances_total{group="delivery"}'),
        reading: get('posthorn_consumer_partitions{group="delivery",state="reading"}'),
        up: ['kafka', 'postgresql', 'registry'].map((name) => get(`posthorn_dependency_up{dependency="${name}"}`)),
        isFresh: get('posthorn_cache_age_seconds{cache="webhooks"}') < 30,
        written: get('posthorn_recorder_records_total') > 0,
      };
    };
    await waitUntil(async () => (await shown()).written, { what: 'the recorder' });
    const { lanes, webhooks, joins, ...rest } = await shown();
    expect(lanes).toBeGreaterThanOrEqual(2);
    expect(webhooks).toBeGreaterThanOrEqual(2);
    expect(joins).toBeGreaterThanOrEqual(1);
    expect(rest).toEqual({ open: 0, secrets: 0, reading: 36, up: [1, 1, 1], isFresh: true, written: true });
  });

  it('show what the groups have not resolved, and what waits in tiers apart from it', async () => {
    const tiers = async () => [...(await ops.metrics())].filter(([line]) => line.startsWith('posthorn_retry_waiting'));
    await waitUntil(async () => (await tiers()).some(([, records]) => records > 0), {
      timeoutMs: 40_000,
      what: 'retries that wait in a tier',
    });
    const events = '{group="router",topic="events.case"}';
    const isCaughtUp = async () => {
      const metrics = await ops.metrics();
      const lag = metrics.get(`posthorn_consumer_lag_records${events}`);
      return lag === 0 && metrics.get(`posthorn_consumer_oldest_waiting_seconds${events}`) === 0;
    };
    await waitUntil(isCaughtUp, { what: 'that the router has caught up' });
    const metrics = await ops.metrics();
    expect([...metrics.keys()].filter((line) => line.includes('lag_records') && line.includes('retry'))).toEqual([]);
  });

  it('have no label that grows with customers', async () => {
    const text = await ops.metricsText();
    for (const name of [accepting.id, failing.id, tenant.id, eventId, 'localhost', deployment.prefix + 'retry']) {
      expect(text).not.toContain(name);
    }
  });
});

describe('traces', () => {
  const spansOf = (id: string) => collector.spans.filter((span) => span.attributes['messaging.message.id'] === id);

  it("lead from the producer's span over routing to each attempt", async () => {
    const isComplete = () => ['route', 'deliver'].every((name) => spansOf(eventId).some((span) => span.name === name));
    await waitUntil(() => isComplete() && spansOf(eventId).filter(({ name }) => name === 'deliver').length >= 2);
    const spans = spansOf(eventId);
    expect(spans.map(({ traceId }) => traceId)).toEqual(spans.map(() => TRACE_ID));
    expect(spans.map(({ parentSpanId }) => parentSpanId)).toEqual(spans.map(() => PRODUCER_SPAN_ID));
    const route = spans.find(({ name }) => name === 'route');
    expect(route).toMatchObject({
      kind: CONSUMER_KIND,
      attributes: {
        'messaging.system': 'kafka',
        'messaging.operation.name': 'route',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'events.case',
        'messaging.consumer.group.name': `${deployment.prefix}router`,
        'posthorn.event.type': TYPE,
        'posthorn.deliveries': 2,
      },
      resource: { 'service.name': 'posthorn', 'deployment.environment.name': 'test' },
    });
  });

  it('tell of an attempt what was asked of whom, and what came of it', async () => {
    const attempt = (webhook: WebhookAnswer) =>
      spansOf(eventId).find((span) => span.attributes['posthorn.webhook.id'] === webhook.id);
    await waitUntil(() => attempt(accepting) !== undefined && attempt(failing) !== undefined);
    const http = { 'http.request.method': 'POST', 'url.scheme': 'https', 'server.address': 'localhost' };
    expect(attempt(accepting)).toMatchObject({
      kind: CLIENT_KIND,
      isError: false,
      attributes: { ...http, 'http.response.status_code': 200, 'posthorn.outcome': 'succeeded', 'posthorn.attempt': 1 },
    });
    expect(attempt(failing)).toMatchObject({
      isError: true,
      attributes: { ...http, 'http.response.status_code': 500, 'error.type': 'http_500', 'posthorn.next': 'retry' },
    });
    expect(attempt(accepting)?.durationMs).toBeGreaterThan(0);
    expect(JSON.stringify(collector.spans)).not.toContain('canary');
  });

  it('begin with routing for an event that came without one', async () => {
    await waitUntil(() => spansOf(untracedId).some(({ name }) => name === 'deliver'));
    const route = await waitUntil(() => spansOf(untracedId).find(({ name }) => name === 'route'));
    const attempts = spansOf(untracedId).filter(({ name }) => name === 'deliver');
    expect(attempts.map(({ traceId, parentSpanId }) => ({ traceId, parentSpanId }))).toEqual(
      attempts.map(() => ({ traceId: route.traceId, parentSpanId: route.spanId })),
    );
  });

  it('stay with us: receivers are strangers', () => {
    expect(receiver.arrivals.flatMap(({ headers }) => Object.keys(headers))).not.toContain('traceparent');
  });
});

describe('posthorn status', () => {
  it('shows groups, tiers, webhooks in trouble and dead letters in one screen', async () => {
    await producer.publish([{ tenantId: tenant.id, type: TYPE, data: sample, headers: { ce_time: 'yesterday' } }]);
    const shown = async () => {
      const { code, stdout } = await deployment.run(['status', '--json']);
      return { code, ...(JSON.parse(stdout) as StatusJson) };
    };
    const isComplete = async () => {
      const { database } = await shown();
      const isDead = database.dead_letters.some(({ reason }) => reason === 'invalid_attribute');
      return isDead && database.webhooks_in_trouble.length > 0;
    };
    await waitUntil(isComplete, { timeoutMs: 40_000, what: 'the dead letter and the failing webhook' });
    const { code, kafka, database } = await shown();
    expect(code).toBe(0);
    expect(kafka.groups.map(({ role, state, members }) => ({ role, state, members }))).toEqual(
      ['router', 'delivery', 'retry', 'recorder'].map((role) => ({ role, state: 'Stable', members: 1 })),
    );
    const [first] = kafka.retry_tiers.filter(({ waiting }) => waiting > 0);
    expect(first?.next_due_ms).toBeLessThan(90_000);
    expect(kafka.missing_topics).toEqual([]);
    expect(database.webhooks.active).toBeGreaterThanOrEqual(2);
    expect(database.webhooks_in_trouble).toEqual([
      expect.objectContaining({ id: failing.id, tenant_id: tenant.id, event_type: TYPE, state: 'failing' }),
    ]);
    expect(database.webhooks_in_trouble[0]?.failed_last_hour).toBeGreaterThanOrEqual(2);
    const rejected = database.dead_letters.find(({ reason }) => reason === 'invalid_attribute');
    expect(rejected).toMatchObject({ topic: `${deployment.prefix}events.dead`, count: expect.any(Number) });

    const { stdout } = await deployment.run(['status']);
    expect(stdout).toMatch(/^router +stable, 1 member /m);
    expect(stdout).toMatch(new RegExp(`^${failing.id} +${tenant.id} +${TYPE} +failing `, 'm'));
    expect(stdout).toMatch(/invalid_attribute +\d+ +\d+ /);
    expect(stdout).toMatch(/^(5s|1m|5m) +\d+ +due/m);
  });

  it('shows what it can when a server is away, and says so', async () => {
    const away = await deployment.run(['status'], { POSTHORN_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' });
    expect(away.code).toBe(1);
    expect(away.stdout).toContain('PostgreSQL cannot be asked');
    expect(away.stdout).toMatch(/^delivery +stable/m);
    const noKafka = await deployment.run(['status', '--json'], { POSTHORN_KAFKA_BROKERS: '127.0.0.1:1' });
    expect(noKafka.code).toBe(1);
    expect(JSON.parse(noKafka.stdout)).toMatchObject({ kafka: { error: expect.any(String) }, database: {} });
  });
});

describe('readiness', () => {
  it('names the dependency that is away while it runs, and forgets it when it is back', async () => {
    const database = await startSwitchableProxy(String(deployment.env['POSTHORN_DATABASE_URL']));
    const registry = await startSwitchableProxy(String(deployment.env['POSTHORN_SCHEMA_REGISTRY_URL']));
    const other = await deployment.serve(['router'], {
      POSTHORN_DATABASE_URL: database.url,
      POSTHORN_SCHEMA_REGISTRY_URL: registry.url,
    });
    const otherOps = await OpsPort.of(other);
    const isReady = async () => (await otherOps.readiness()).status === 200;
    try {
      await waitUntil(isReady, { what: 'that it is ready' });
      for (const [name, proxy] of [
        ['registry', registry],
        ['postgresql', database],
      ] as const) {
        await proxy.close();
        await waitUntil(async () => (await otherOps.readiness()).waitsFor[name] !== null, { what: `${name} is away` });
        const { status, waitsFor } = await otherOps.readiness();
        expect([status, waitsFor['kafka']]).toEqual([503, null]);
        expect((await otherOps.metrics()).get(`posthorn_dependency_up{dependency="${name}"}`)).toBe(0);
        await proxy.open();
        await waitUntil(isReady, { what: `${name} is back` });
      }
      expect(await other.stop()).toBe(0);
    } finally {
      await registry[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    }
  });
});

describe('a stop', () => {
  it('turns readiness off first and answers on the ops port until the last attempt is over', async () => {
    const slow = () => receiver.arrivals.filter(({ path }) => path === '/slow');
    await createWebhook(api, TYPE, `${receiver.url}/slow`);
    await untilRouted({ api, tenantId: tenant.id, producer, receiver });
    await producer.publish([{ tenantId: tenant.id, type: TYPE, data: sample }]);
    await waitUntil(() => slow().length === 1);
    expect((await ops.readiness()).status).toBe(200);

    server.signal('SIGTERM');
    await waitUntil(async () => (await ops.readiness()).waitsFor['start'] === 'stopping', { what: 'that it stops' });
    expect((await ops.readiness()).status).toBe(503);
    expect((await ops.metrics()).get('posthorn_delivery_slow_requests')).toBeGreaterThanOrEqual(0);
    expect(await server.exited).toBe(0);
    const logged = server.log().filter(({ msg, outcome }) => msg === 'delivery.attempted' && outcome === 'succeeded');
    expect(logged.some((line) => Number(line['durationMs']) >= 4_000)).toBe(true);
  });
});

describe('the log', () => {
  it('tells of each attempt in one line, a failing receiver on the level info', () => {
    const lines = server.log().filter((line) => line.msg === 'delivery.attempted' && line['eventId'] === eventId);
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(lines.map((line) => line['level'])).toEqual(lines.map(() => 30));
    expect(lines.find((line) => line['webhookId'] === failing.id)).toMatchObject({
      tenantId: tenant.id,
      eventType: TYPE,
      attempt: 1,
      outcome: 'failed',
      code: 'http_500',
      status: 500,
      next: 'retry',
      durationMs: expect.any(Number),
    });
  });

  it('never shows a secret, whatever its level', () => {
    const output = server.output();
    const keys = String(deployment.env['POSTHORN_SECRET_KEYS']).split(':')[1] ?? '';
    const secrets = [
      accepting.secret,
      failing.secret,
      tenant.apiKey,
      keys,
      CANARY_IN_DATABASE_URL,
      'canary-token-in-url',
    ];
    expect(secrets.every((secret) => secret.length > 10)).toBe(true);
    expect(secrets.filter((secret) => output.includes(secret) || output.includes(secret.slice(-20)))).toEqual([]);
  });
});
