import type { Tracing } from '../infrastructure/telemetry/tracing.ts';
import type { FinishedAttempt } from '../processes/delivery/attempt-entries.ts';
import { VERSION } from '../version.ts';
import type { Foundation } from './foundation.ts';

/** The maker of spans; null, with nothing of it loaded, when the environment names no collector. */
export async function createTracing({ config, log }: Foundation): Promise<Tracing | null> {
  if (config.tracing === null) return null;
  const { createOtlpTracing } = await import('../infrastructure/telemetry/otlp-tracing.ts');
  return createOtlpTracing({ version: VERSION, instance: config.kafka.instance, sampling: config.tracing, log });
}

/** Tells traces of an attempt. */
export function traceAttempt(tracing: Tracing, group: string, finished: FinishedAttempt): void {
  const { job, request, outcome, decision, startedAtMs, endedAtMs } = finished;
  const { topic, partition } = job.partition;
  tracing.attempted({
    delivery: job.delivery,
    source: { topic, partition, offset: job.offset, group },
    url: request.url,
    outcome,
    next: decision.kind,
    startedAtMs,
    endedAtMs,
  });
}
