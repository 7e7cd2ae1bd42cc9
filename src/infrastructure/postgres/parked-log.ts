import type { ClientBase } from 'pg';
import type { AttemptRecord } from '../../domain/attempt-record.ts';
import { dayOf, storableMs } from '../../domain/log-days.ts';
import type { CopyColumn } from './copy-encoder.ts';
import { copyRows } from './copy-rows.ts';

interface ParkedNote extends AttemptRecord {
  readonly delivery: Buffer;
}

/** Keeps the deliveries that were parked. The notes are those that the log takes for new: each comes once. */
export function keepParked(client: ClientBase, attempts: readonly AttemptRecord[]): Promise<void> {
  return copyRows(client, 'parked_deliveries', COLUMNS, attempts.filter(isParked));
}

function isParked(attempt: AttemptRecord): attempt is ParkedNote {
  return attempt.outcome === 'parked' && attempt.delivery !== null;
}

const COLUMNS: readonly CopyColumn<ParkedNote>[] = [
  { name: 'attempt_id', type: 'uuid', of: (row) => row.attempt_id },
  { name: 'webhook_id', type: 'uuid', of: (row) => row.webhook_id },
  { name: 'delivery_id', type: 'uuid', of: (row) => row.delivery_id },
  { name: 'created_at', type: 'time', of: (row) => storableMs(row.delivery_created_at_ms) },
  { name: 'parked_at', type: 'time', of: (row) => storableMs(row.started_at_ms) },
  { name: 'day', type: 'day', of: (row) => dayOf(row.delivery_created_at_ms) },
  { name: 'attempt', type: 'integer', of: (row) => row.attempt },
  { name: 'record', type: 'bytes', of: (row) => row.delivery },
];
