import { afterEach, expect, test } from 'vitest';
import type { DeliveryRecord } from '../../../src/domain/delivery-record.ts';
import type { Event } from '../../../src/domain/event.ts';
import { createLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { createOtlpTracing } from '../../../src/infrastructure/telemetry/otlp-tracing.ts';
import type { TraceSampling, Tracing } from '../../../src/infrastructure/telemetry/tracing.ts';
import { startOtlpCollector } from '../../support/otlp-collector.ts';
import { waitUntil } from '../../support/wait-until.ts';

const SOURCE = { topic: 'deliveries', partition: 3, offset: 7, group: 'delivery' };
const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7';
const ALL: TraceSampling = { of: 'all', ratio: 1, followsParent: true };

afterEach(() => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  delete process.env['OTEL_EXPORTER_OTLP_TIMEOUT'];
});

function tracingTo(url: string, sampling: TraceSampling, lines: string[] = []): Tracing {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = url;
  const log = createLogger('warn', { write: (line) => void lines.push(line) });
  return createOtlpTracing({ version: '1.2.3', instance: '0', sampling, log });
}

function eventWith(traceparent: string | null): Event {
  return {
    id: 'event-1',
    type: 'case.opened',
    source: '/test',
    time: '2026-01-01T00:00:00Z',
    tenantId: 'acme',
    subject: null,
    traceparent,
    body: Buffer.from('{}'),
  };
}

function deliveryWith(traceparent: string | null, attempt = 1): DeliveryRecord {
  return {
    delivery_id: 'delivery-1',
    webhook_id: 'webhook-1',
    tenant_id: 'acme',
    event_id: 'event-1',
    event_type: 'case.opened',
    event_source: '/test',
    event_time: '2026-01-01T00:00:00Z',
    subject: null,
    replay_id: null,
    created_at_ms: 0,
    attempt,
    not_before_ms: 0,
    waiting_since_ms: 0,
    rewrites: 0,
    traceparent,
    body: Buffer.from('{}'),
  };
}

function attemptOf(delivery: DeliveryRecord) {
  const outcome = {
    kind: 'failed',
    status: null,
    code: 'timeout',
    message: 'The receiver did not answer in time.',
  } as const;
  const url = 'https://hooks.example.com:8443/token/secret?key=secret';
  return { delivery, source: SOURCE, url, outcome, next: 'retry', startedAtMs: 1_000, endedAtMs: 1_250 };
}

test('an attempt is one span with the times of the attempt, and the URL without what customers hide in it', async () => {
  await using collector = await startOtlpCollector();
  const tracing = tracingTo(collector.url, ALL);
  tracing.attempted(attemptOf(deliveryWith(`${TRACEPARENT}-01`, 3)));
  await tracing.stop();
  expect(collector.spans).toHaveLength(1);
  expect(collector.spans[0]).toMatchObject({
    name: 'deliver',
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    parentSpanId: '00f067aa0ba902b7',
    durationMs: 250,
    isError: true,
    attributes: {
      'messaging.destination.partition.id': '3',
      'messaging.kafka.offset': 7,
      'server.address': 'hooks.example.com',
      'server.port': 8443,
      'error.type': 'timeout',
      'http.request.resend_count': 2,
    },
    resource: { 'service.name': 'posthorn', 'service.version': '1.2.3' },
  });
  expect(JSON.stringify(collector.spans)).not.toContain('secret');
});

test.each([
  ['keeps out of traces that the producer does not keep', ALL, `${TRACEPARENT}-00`, 0],
  ['takes part in traces that the producer keeps', { ...ALL, of: 'none' } as const, `${TRACEPARENT}-01`, 2],
  ['keeps a share of the traces that begin here', { of: 'ratio', ratio: 0, followsParent: true } as const, null, 0],
  ['follows nobody when told so', { of: 'all', ratio: 1, followsParent: false } as const, `${TRACEPARENT}-00`, 2],
])('sampling %s', async (_, sampling, traceparent, spans) => {
  await using collector = await startOtlpCollector();
  const tracing = tracingTo(collector.url, sampling);
  const route = tracing.route(eventWith(traceparent), SOURCE);
  tracing.attempted(attemptOf(deliveryWith(route.traceparent)));
  route.end(1);
  await tracing.stop();
  expect(collector.spans).toHaveLength(spans);
});

test('a header that is no trace context begins a new trace', async () => {
  await using collector = await startOtlpCollector();
  const tracing = tracingTo(collector.url, ALL);
  tracing.attempted(attemptOf(deliveryWith('00-00000000000000000000000000000000-00f067aa0ba902b7-01')));
  await tracing.stop();
  expect(collector.spans.map(({ parentSpanId }) => parentSpanId)).toEqual([undefined]);
});

test('a collector that is away is told of in the log and holds up no stop', async () => {
  const lines: string[] = [];
  process.env['OTEL_EXPORTER_OTLP_TIMEOUT'] = '500';
  const tracing = tracingTo('http://127.0.0.1:1', ALL, lines);
  for (let index = 0; index < 20_000; index++) tracing.attempted(attemptOf(deliveryWith(null)));
  await waitUntil(() => lines.length > 0, { what: 'that the log tells' });
  const startedMs = performance.now();
  await tracing.stop();
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  expect(lines.every((line) => line.includes('tracing.problem'))).toBe(true);
});
