import { randomUUID } from 'node:crypto';
import type { AttemptRecord } from '../../src/domain/attempt-record.ts';

/** A first attempt that succeeded, with what the test says instead. */
export function anAttempt(fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    attempt_id: randomUUID(),
    delivery_id: randomUUID(),
    webhook_id: randomUUID(),
    tenant_id: 'acme',
    event_id: `evt_${randomUUID()}`,
    event_type: 'screening.completed',
    subject: null,
    replay_id: null,
    delivery_created_at_ms: Date.now(),
    attempt: 1,
    kind: 'attempted',
    outcome: 'succeeded',
    failure_code: null,
    failure_message: null,
    status_code: 200,
    started_at_ms: Date.now(),
    duration_us: 1500,
    dns_us: null,
    connect_us: null,
    tls_us: null,
    first_byte_us: 1200,
    request_url: 'https://receiver.example/hooks',
    request_headers: '{"content-type":"application/json"}',
    response_headers: '{"content-length":"2"}',
    response_body: Buffer.from('ok'),
    next_attempt_at_ms: null,
    webhook_version: 1,
    webhook_state: null,
    delivery: null,
    ...fields,
  };
}
