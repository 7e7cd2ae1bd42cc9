import type { EventReadResult } from '../../src/domain/event.ts';
import type { Log, LogEntry } from './model/log.ts';
import type { World } from './process.ts';
import type { Scenario, ScenarioEvent } from './scenario.ts';

export const EVENTS_TOPIC = 'events.order';

/** Writes what a producer writes. */
export function produce(log: Log, { id, partition, kind }: ScenarioEvent): void {
  const record = { kind: 'record', key: Buffer.from(id), value: Buffer.from(`e${id}`), headers: {} } as const;
  const nothing = { key: null, value: null, headers: {} };
  if (kind === 'hole') log.append(EVENTS_TOPIC, partition, { kind: 'hole', ...nothing });
  if (kind === 'event' || kind === 'poison') log.append(EVENTS_TOPIC, partition, record);
  else log.append(EVENTS_TOPIC, partition, { kind: 'marker', ...nothing });
}

/** What a record of the producer is to the router. */
export function eventOf({ events }: Scenario, value: Buffer | null): EventReadResult {
  const id = value?.toString('latin1').slice(1) ?? '';
  const event = events.find((candidate) => candidate.id === id);
  if (event === undefined || event.kind === 'poison') {
    return { kind: 'rejected', rejection: { reason: 'decode_failed', message: 'This is no event' } };
  }
  const { tenantId, type } = event;
  const body = Buffer.from(`{"id":"${id}"}`);
  const attributes = { source: '/simulation', time: '2026-01-01T00:00:00Z', subject: null, traceparent: null };
  return { kind: 'event', event: { id, type, tenantId, body, ...attributes } };
}

/** One line about a record, for the story of a scenario. */
export function describeEntry(entry: LogEntry, world: Pick<World, 'deliveries' | 'attempts'>): string {
  return `log ${entry.topic}/${entry.partition}/${entry.offset}: ${contentOf(entry, world)}`;
}

function contentOf(
  { kind, value }: LogEntry,
  { deliveries, attempts }: Pick<World, 'deliveries' | 'attempts'>,
): string {
  const delivery = deliveries.read(value);
  if (delivery !== null) {
    return `${delivery.event_id} to ${delivery.webhook_id}, attempt ${delivery.attempt}.${delivery.rewrites}`;
  }
  const attempt = attempts.read(value);
  if (attempt === null) return `${kind} ${value?.toString() ?? ''}`;
  const end = `${attempt.kind} ${attempt.outcome} ${attempt.failure_code ?? ''}`;
  return `${attempt.event_id} to ${attempt.webhook_id}, attempt ${attempt.attempt}: ${end}`;
}
