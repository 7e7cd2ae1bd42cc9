import type { ClientBase } from 'pg';
import type { AttemptRecord } from '../../domain/attempt-record.ts';
import { dayOf, storableMs } from '../../domain/log-days.ts';
import type { CopyColumn } from './copy-encoder.ts';
import { copyRows } from './copy-rows.ts';

/**
 * Appends attempts. A repeat of an attempt id fails with SQLSTATE 23505 and takes the transaction with it: write the batch
 * again with what `withoutKnownAttempts` leaves. Repeats are rare, and COPY costs half of INSERT … ON CONFLICT.
 */
export function appendAttempts(client: ClientBase, attempts: readonly AttemptRecord[]): Promise<void> {
  return copyRows(client, 'attempts', COLUMNS, attempts);
}

/** The attempts that the log does not have yet, each once. */
export async function withoutKnownAttempts(
  client: ClientBase,
  attempts: readonly AttemptRecord[],
): Promise<AttemptRecord[]> {
  const byKey = new Map(attempts.map((attempt) => [keyOf(attempt.delivery_id, attempt.attempt_id), attempt]));
  const { rows } = await client.query<{ delivery_id: string; attempt_id: string }>({
    name: 'recorder-known-attempts',
    text: `SELECT delivery_id, attempt_id FROM attempts
           WHERE (delivery_id, attempt_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))`,
    values: [attempts.map((attempt) => attempt.delivery_id), attempts.map((attempt) => attempt.attempt_id)],
  });
  for (const row of rows) byKey.delete(keyOf(row.delivery_id, row.attempt_id));
  return [...byKey.values()];
}

function keyOf(deliveryId: string, attemptId: string): string {
  return `${deliveryId} ${attemptId}`;
}

const COLUMNS: readonly CopyColumn<AttemptRecord>[] = [
  { name: 'delivery_id', type: 'uuid', of: (row) => row.delivery_id },
  { name: 'attempt_id', type: 'uuid', of: (row) => row.attempt_id },
  { name: 'webhook_id', type: 'uuid', of: (row) => row.webhook_id },
  { name: 'delivery_created_at', type: 'time', of: (row) => storableMs(row.delivery_created_at_ms) },
  { name: 'started_at', type: 'time', of: (row) => storableMs(row.started_at_ms) },
  { name: 'next_attempt_at', type: 'time', of: (row) => storableOrNull(row.next_attempt_at_ms) },
  { name: 'duration_us', type: 'bigint', of: (row) => row.duration_us },
  { name: 'dns_us', type: 'bigint', of: (row) => row.dns_us },
  { name: 'connect_us', type: 'bigint', of: (row) => row.connect_us },
  { name: 'tls_us', type: 'bigint', of: (row) => row.tls_us },
  { name: 'first_byte_us', type: 'bigint', of: (row) => row.first_byte_us },
  { name: 'webhook_version', type: 'bigint', of: (row) => row.webhook_version },
  { name: 'day', type: 'day', of: (row) => dayOf(row.delivery_created_at_ms) },
  { name: 'attempt', type: 'integer', of: (row) => row.attempt },
  { name: 'status_code', type: 'integer', of: (row) => row.status_code },
  { name: 'kind', type: 'text', of: (row) => row.kind },
  { name: 'outcome', type: 'text', of: (row) => row.outcome },
  { name: 'tenant_id', type: 'text', of: (row) => row.tenant_id },
  { name: 'event_id', type: 'text', of: (row) => row.event_id },
  { name: 'event_type', type: 'text', of: (row) => row.event_type },
  { name: 'subject', type: 'text', of: (row) => row.subject },
  { name: 'replay_id', type: 'text', of: (row) => row.replay_id },
  { name: 'failure_code', type: 'text', of: (row) => row.failure_code },
  { name: 'failure_message', type: 'text', of: (row) => row.failure_message },
  { name: 'webhook_state', type: 'text', of: (row) => row.webhook_state },
  { name: 'request_url', type: 'text', of: (row) => row.request_url },
  { name: 'request_headers', type: 'text', of: (row) => row.request_headers },
  { name: 'response_headers', type: 'text', of: (row) => row.response_headers },
  { name: 'response_body', type: 'bytes', of: (row) => row.response_body },
];

function storableOrNull(timeMs: number | null): number | null {
  return timeMs === null ? null : storableMs(timeMs);
}
