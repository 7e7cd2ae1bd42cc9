import type { DeadLetterEntry } from '../../src/domain/log-entries.ts';
import { unique } from './unique.ts';

/** A dead letter of the tenant `acme` in a place of its own. */
export function aDeadLetter(differing: Partial<DeadLetterEntry> = {}): DeadLetterEntry {
  return {
    topic: unique('dead'),
    partition: 0,
    offset: 0,
    timestampMs: Date.now() - 60_000,
    reason: 'attempts_exhausted',
    error: 'HTTP 500',
    source: 'events.case/3/17',
    failedAt: '2026-11-23T10:00:00.000Z',
    tenantId: 'acme',
    eventId: 'evt-1',
    eventType: 'case.opened',
    webhookId: null,
    deliveryId: null,
    lastStatus: null,
    key: null,
    value: null,
    headers: '{}',
    ...differing,
  };
}

/** Headers as the log keeps them. */
export function storedHeaders(headers: Readonly<Record<string, readonly (string | Buffer)[]>>): string {
  const encoded = Object.entries(headers).map(([name, values]) => [
    name,
    values.map((value) => Buffer.from(value).toString('base64')),
  ]);
  return JSON.stringify(Object.fromEntries(encoded));
}
