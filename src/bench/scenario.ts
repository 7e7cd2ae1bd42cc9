import { setTimeout as delay } from 'node:timers/promises';
import { createEventPublisher } from '../infrastructure/avro/event-publisher.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { KafkaPublisher } from '../infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';
import { callApi } from './api.ts';
import { ask, cpuUsOf, cpuUsOfFamily, memoryOf } from './processes.ts';
import { BENCH_TENANT, BENCH_TYPE, type Stage } from './stage.ts';

/** One load on the pipeline. */
export interface Scenario {
  readonly name: string;
  readonly events: number;
  readonly fanOut: number;
  readonly bodyBytes: number;
  /** Events per second; null publishes as fast as Kafka takes them. */
  readonly perSecond: number | null;
}

/** What a scenario showed. */
export interface Measurement {
  readonly scenario: string;
  readonly deliveries: number;
  readonly deliveriesPerSecond: number;
  /** From the producer's acknowledgement to arrival, milliseconds. */
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  /** CPU per delivery, microseconds, by process. */
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly memoryMb: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly duplicates: number;
}

const PUBLISH_CHUNK = 500;
/** Without a new arrival for this long the rest counts as lost. */
const SILENCE_MS = 20_000;

type PublishEvent = (number: number) => Promise<void>;

export async function runScenario(stage: Stage, scenario: Scenario): Promise<Measurement> {
  const connection = new KafkaPublisher({
    kafka: createKafkaClient(stage.config.kafka, 'posthorn-bench', createSilentLogger()),
    log: createSilentLogger(),
  });
  await connection.start();
  const webhooks = await createWebhooks(stage, scenario.fanOut);
  try {
    const publish = publisherFor(stage, connection, scenario);
    await warmUp(stage, publish, scenario.fanOut);
    return await measure(stage, publish, scenario);
  } finally {
    for (const id of webhooks) await callApi(stage, 'DELETE', `/api/v1/webhooks/${id}/`);
    await connection.stop();
  }
}

function publisherFor(stage: Stage, connection: KafkaPublisher, { bodyBytes, name }: Scenario): PublishEvent {
  const publisher = createEventPublisher<Record<typeof BENCH_TYPE, { payload: string }>>({
    publish: (records) => connection.publish(records),
    registry: createSchemaRegistry({ url: stage.config.schemaRegistryUrl }),
    eventTypes: [stage.eventType],
    source: '/bench',
  });
  const payload = 'x'.repeat(bodyBytes);
  const run = `${name.replaceAll(/[^a-z0-9]/gi, '_')}_${Date.now()}`;
  return async (number) => {
    await publisher.publish(BENCH_TYPE, { payload }, { tenantId: BENCH_TENANT, id: `${run}-${number}` });
  };
}

/** New webhooks count after a moment, and every process compiles its hot paths first: neither is to be measured. */
async function warmUp({ receiver }: Stage, publish: PublishEvent, fanOut: number): Promise<void> {
  await ask(receiver, { ask: 'reset' });
  const warm = 3_000;
  for (let tries = 0; ; tries++) {
    await publish(0);
    await delay(250);
    if ((await ask<{ count: number }>(receiver, { ask: 'count' })).count >= fanOut) break;
    if (tries > 80) throw new Error('the first event of the benchmark did not arrive');
  }
  await ask(receiver, { ask: 'reset' });
  await Promise.all(Array.from({ length: warm }, () => publish(0)));
  await arrived(receiver, warm * fanOut);
  await delay(2_000);
  await ask(receiver, { ask: 'reset' });
}

async function measure(stage: Stage, publish: PublishEvent, scenario: Scenario): Promise<Measurement> {
  const expected = scenario.events * scenario.fanOut;
  const before = cpuByProcess(stage);
  const startedMs = epochMs();
  const ackedMs = await publishAll(publish, scenario);
  await arrived(stage.receiver, expected);
  await recorded(stage);
  const after = cpuByProcess(stage);
  const { arrivals } = await ask<{ arrivals: [number, number][] }>(stage.receiver, { ask: 'arrivals' });
  const lastMs = arrivals.reduce((latest, [, atMs]) => Math.max(latest, atMs), 0);
  const latencies = arrivals.map(([number, atMs]) => atMs - (ackedMs[number] ?? 0)).toSorted((a, b) => a - b);
  const perNumber = new Map<number, number>();
  for (const [number] of arrivals) perNumber.set(number, (perNumber.get(number) ?? 0) + 1);
  const lost = ackedMs.reduce((sum, _, number) => sum + Math.max(0, scenario.fanOut - (perNumber.get(number) ?? 0)), 0);
  return {
    scenario: scenario.name,
    deliveries: arrivals.length,
    deliveriesPerSecond: arrivals.length / ((lastMs - startedMs) / 1000),
    latencyMs: { p50: at(latencies, 0.5), p95: at(latencies, 0.95), p99: at(latencies, 0.99) },
    cpuUs: Object.fromEntries(
      Object.entries(after).map(([name, us]) => [name, (us - (before[name] ?? 0)) / arrivals.length]),
    ),
    memoryMb: memoryByProcess(stage),
    lost,
    duplicates: Math.max(0, arrivals.length - expected + lost),
  };
}

async function publishAll(publish: PublishEvent, { events, perSecond }: Scenario): Promise<number[]> {
  const ackedMs = Array.from({ length: events }, () => 0);
  const publishOne = async (number: number) => {
    await publish(number);
    ackedMs[number] = epochMs();
  };
  if (perSecond === null) {
    for (let first = 0; first < events; first += PUBLISH_CHUNK) {
      const chunk = Math.min(PUBLISH_CHUNK, events - first);
      await Promise.all(Array.from({ length: chunk }, (_, index) => publishOne(first + index)));
    }
    return ackedMs;
  }
  const startedMs = performance.now();
  const pending: Promise<void>[] = [];
  for (let number = 0; number < events; number++) {
    const waitMs = startedMs + (number * 1000) / perSecond - performance.now();
    if (waitMs > 0) await delay(waitMs);
    pending.push(publishOne(number));
  }
  await Promise.all(pending);
  return ackedMs;
}

async function arrived(receiver: Stage['receiver'], expected: number): Promise<void> {
  let last = -1;
  let lastMs = performance.now();
  for (;;) {
    const { count } = await ask<{ count: number }>(receiver, { ask: 'count' });
    if (count >= expected) return;
    if (count !== last) lastMs = performance.now();
    else if (performance.now() - lastMs > SILENCE_MS) return;
    last = count;
    await delay(50);
  }
}

/** The recorder runs behind; its work belongs to the scenario, so it is waited for until its CPU use comes to rest. */
async function recorded(stage: Stage): Promise<void> {
  const recorder = stage.roles.get('recorder')?.pid ?? 0;
  let before = cpuUsOf(recorder);
  for (let quiet = 0; quiet < 3; ) {
    await delay(400);
    const now = cpuUsOf(recorder);
    quiet = now - before < 40_000 ? quiet + 1 : 0;
    before = now;
  }
}

function cpuByProcess(stage: Stage): Record<string, number> {
  const { pids } = stage.servers;
  const family = (ids: readonly number[] | undefined) => (ids ?? []).reduce((sum, pid) => sum + cpuUsOfFamily(pid), 0);
  const roles = [...stage.roles].map(([role, { pid = 0 }]) => [role, cpuUsOf(pid)] as const);
  return { ...Object.fromEntries(roles), kafka: family(pids['kafka']), postgres: family(pids['postgres']) };
}

function memoryByProcess({ roles }: Stage): Record<string, number> {
  return Object.fromEntries([...roles].map(([role, { pid = 0 }]) => [role, memoryOf(pid) / 1024 / 1024]));
}

async function createWebhooks(stage: Stage, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const webhook_url = `http://localhost:${stage.receiverPort}/${index}`;
    const created = await callApi(stage, 'POST', '/api/v1/webhooks/', { event_type: BENCH_TYPE, webhook_url });
    ids.push(String(created['id']));
  }
  return ids;
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function epochMs(): number {
  return performance.timeOrigin + performance.now();
}
