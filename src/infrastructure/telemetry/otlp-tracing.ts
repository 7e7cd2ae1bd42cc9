import {
  type Attributes,
  type Context,
  type DiagLogger,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { AttemptOutcome } from '../../domain/outcome.ts';
import type { Logger } from './logger.ts';
import type { RouteSpan, TracedAttempt, TracedSource, TraceSampling, Tracing } from './tracing.ts';

export interface OtlpTracingOptions {
  readonly version: string;
  readonly instance: string;
  readonly sampling: TraceSampling;
  readonly log: Logger;
}

/** Spans in memory while the collector does not answer; beyond it spans are dropped, never deliveries. */
const MAX_WAITING_SPANS = 8_192;
const EXPORT_EVERY_MS = 2_000;
const EXPORT_TIMEOUT_MS = 10_000;
/** How long a stop waits for the collector to take the last spans. */
const STOP_MS = 3_000;

/**
 * Spans to a collector by OTLP over HTTP with JSON. Where it is and how to reach it is the exporter's own business
 * (`OTEL_EXPORTER_OTLP_*`), and so are `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
 */
export function createOtlpTracing(options: OtlpTracingOptions): Tracing {
  diag.setLogger(forwardTo(options.log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const exporter = new OTLPTraceExporter();
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: MAX_WAITING_SPANS,
    scheduledDelayMillis: EXPORT_EVERY_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    resource: resourceOf(options),
    sampler: samplerOf(options.sampling),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer('posthorn', options.version);
  return {
    name: 'tracing',
    start: async () => undefined,
    stop: () => withinStop(provider.shutdown()),
    route: (event, source) => startRoute(tracer, event, source),
    attempted: (attempt) => recordAttempt(tracer, attempt),
  };
}

function startRoute(
  tracer: Tracer,
  event: { readonly id: string; readonly type: string; readonly tenantId: string; readonly traceparent: string | null },
  source: TracedSource,
): RouteSpan {
  const attributes = { ...messaging(source, 'route'), ...eventAttributes(event.id, event.type, event.tenantId) };
  const span = tracer.startSpan('route', { kind: SpanKind.CONSUMER, attributes }, contextOf(event.traceparent));
  return {
    traceparent: event.traceparent ?? toTraceparent(span.spanContext()),
    end: (deliveries) => span.setAttribute('posthorn.deliveries', deliveries).end(),
  };
}

function recordAttempt(tracer: Tracer, { delivery, source, url, outcome, ...attempt }: TracedAttempt): void {
  const options = { kind: SpanKind.CLIENT, startTime: attempt.startedAtMs };
  const span = tracer.startSpan('deliver', options, contextOf(delivery.traceparent));
  if (span.isRecording()) {
    span.setAttributes({
      ...messaging(source, 'deliver'),
      ...eventAttributes(delivery.event_id, delivery.event_type, delivery.tenant_id),
      ...httpAttributes(url, outcome, delivery.attempt),
      'posthorn.webhook.id': delivery.webhook_id,
      'posthorn.delivery.id': delivery.delivery_id,
      'posthorn.attempt': delivery.attempt,
      'posthorn.outcome': outcome.kind,
      'posthorn.next': attempt.next,
    });
    if (outcome.kind !== 'succeeded') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.message });
  }
  span.end(attempt.endedAtMs);
}

/** The semantic conventions for messaging; they are still in development. */
function messaging({ topic, partition, offset, group }: TracedSource, operation: string): Attributes {
  return {
    'messaging.system': 'kafka',
    'messaging.operation.name': operation,
    'messaging.operation.type': 'process',
    'messaging.destination.name': topic,
    'messaging.destination.partition.id': String(partition),
    'messaging.kafka.offset': offset,
    'messaging.consumer.group.name': group,
  };
}

function eventAttributes(id: string, type: string, tenantId: string): Attributes {
  return { 'messaging.message.id': id, 'posthorn.event.type': type, 'posthorn.tenant.id': tenantId };
}

/** Of the URL only the server: customers put tokens into paths and queries. */
function httpAttributes(url: string, outcome: AttemptOutcome, attempt: number): Attributes {
  const { protocol, hostname, port } = new URL(url);
  const scheme = protocol.slice(0, -1);
  return {
    'http.request.method': 'POST',
    'url.scheme': scheme,
    'server.address': hostname,
    'server.port': Number(port) || (scheme === 'https' ? 443 : 80),
    ...(attempt > 1 ? { 'http.request.resend_count': attempt - 1 } : {}),
    ...(outcome.status === null ? {} : { 'http.response.status_code': outcome.status }),
    ...(outcome.kind === 'succeeded' ? {} : { 'error.type': outcome.code }),
  };
}

/** W3C Trace Context; what is not a valid one begins a new trace. */
function contextOf(traceparent: string | null): Context {
  const spanContext = traceparent === null ? null : parseTraceparent(traceparent);
  return spanContext === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, spanContext);
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})/;

function parseTraceparent(text: string): SpanContext | null {
  const [, traceId, spanId, flags = '00'] = TRACEPARENT.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
}

function toTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

function samplerOf({ of, ratio, followsParent }: TraceSampling): Sampler {
  const root = rootSamplerOf(of, ratio);
  return followsParent ? new ParentBasedSampler({ root }) : root;
}

function rootSamplerOf(of: TraceSampling['of'], ratio: number): Sampler {
  switch (of) {
    case 'all':
      return new AlwaysOnSampler();
    case 'none':
      return new AlwaysOffSampler();
    case 'ratio':
      return new TraceIdRatioBasedSampler(ratio);
  }
}

function resourceOf({ version, instance }: OtlpTracingOptions) {
  const ours = { 'service.name': 'posthorn', 'service.version': version, 'service.instance.id': instance };
  return defaultResource()
    .merge(resourceFromAttributes(ours))
    .merge(detectResources({ detectors: [envDetector] }));
}

/** What the exporter has to say, such as a collector that does not answer. */
function forwardTo(log: Logger): DiagLogger {
  const warn = (message: string) => log.warn({ problem: message.slice(0, 500) }, 'tracing.problem');
  const ignore = () => undefined;
  return { error: warn, warn, info: ignore, debug: ignore, verbose: ignore };
}

async function withinStop(shutdown: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, STOP_MS);
  // Spans that the collector does not take are lost; that is no reason for a stop to fail.
  await Promise.race([shutdown.catch(() => undefined), late]);
  clearTimeout(timer);
}
