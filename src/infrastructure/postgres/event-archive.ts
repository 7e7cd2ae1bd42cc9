import type { ClientBase } from 'pg';
import { dayOf, storableMs } from '../../domain/log-days.ts';
import type { ArchivedEvent, DeadLetterEntry } from '../../domain/log-entries.ts';
import type { CopyColumn } from './copy-encoder.ts';
import { copyRows } from './copy-rows.ts';

/** Appends events to the archive. Each record on Kafka comes once, because its position is moved in the same transaction. */
export function archiveEvents(client: ClientBase, events: readonly ArchivedEvent[]): Promise<void> {
  return copyRows(client, 'events', EVENT_COLUMNS, events);
}

/** Appends dead letters, raw as they are. */
export function storeDeadLetters(client: ClientBase, letters: readonly DeadLetterEntry[]): Promise<void> {
  return copyRows(client, 'dead_letters', DEAD_LETTER_COLUMNS, letters);
}

const EVENT_COLUMNS: readonly CopyColumn<ArchivedEvent>[] = [
  { name: 'received_at', type: 'time', of: (row) => storableMs(row.timestampMs) },
  { name: 'record_offset', type: 'bigint', of: (row) => row.offset },
  { name: 'partition', type: 'integer', of: (row) => row.partition },
  { name: 'day', type: 'day', of: (row) => dayOf(row.timestampMs) },
  { name: 'topic', type: 'text', of: (row) => row.topic },
  { name: 'tenant_id', type: 'text', of: (row) => row.event.tenantId },
  { name: 'event_id', type: 'text', of: (row) => row.event.id },
  { name: 'event_type', type: 'text', of: (row) => row.event.type },
  { name: 'source', type: 'text', of: (row) => row.event.source },
  { name: 'time', type: 'text', of: (row) => row.event.time },
  { name: 'subject', type: 'text', of: (row) => row.event.subject },
  { name: 'traceparent', type: 'text', of: (row) => row.event.traceparent },
  { name: 'body', type: 'bytes', of: (row) => row.event.body },
];

const DEAD_LETTER_COLUMNS: readonly CopyColumn<DeadLetterEntry>[] = [
  { name: 'day', type: 'day', of: (row) => dayOf(row.timestampMs) },
  { name: 'topic', type: 'text', of: (row) => row.topic },
  { name: 'partition', type: 'integer', of: (row) => row.partition },
  { name: 'record_offset', type: 'bigint', of: (row) => row.offset },
  { name: 'received_at', type: 'time', of: (row) => storableMs(row.timestampMs) },
  { name: 'reason', type: 'text', of: (row) => row.reason },
  { name: 'error', type: 'text', of: (row) => row.error },
  { name: 'source', type: 'text', of: (row) => row.source },
  { name: 'failed_at', type: 'text', of: (row) => row.failedAt },
  { name: 'tenant_id', type: 'text', of: (row) => row.tenantId },
  { name: 'event_id', type: 'text', of: (row) => row.eventId },
  { name: 'event_type', type: 'text', of: (row) => row.eventType },
  { name: 'webhook_id', type: 'text', of: (row) => row.webhookId },
  { name: 'delivery_id', type: 'text', of: (row) => row.deliveryId },
  { name: 'last_status', type: 'text', of: (row) => row.lastStatus },
  { name: 'key', type: 'bytes', of: (row) => row.key },
  { name: 'value', type: 'bytes', of: (row) => row.value },
  { name: 'headers', type: 'text', of: (row) => row.headers },
];
