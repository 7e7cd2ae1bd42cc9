import type { AttemptRecord } from './attempt-record.ts';
import type { Event } from './event.ts';

/** Where a record lies on Kafka. */
interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Timestamp of the record, epoch milliseconds: names the day of its row. */
  readonly timestampMs: number;
}

/** An event as the archive keeps it, for look-ups and replays. */
export interface ArchivedEvent extends RecordPlace {
  readonly event: Event;
}

/** A dead letter, or a record on our own topics that cannot be read: kept raw, for people. */
export interface DeadLetterEntry extends RecordPlace {
  /** Stable code: the `posthorn-reason` of the record. */
  readonly reason: string;
  readonly error: string | null;
  /** `topic/partition/offset` of the original. */
  readonly source: string | null;
  /** ISO 8601 or whatever the header says. */
  readonly failedAt: string | null;
  readonly tenantId: string | null;
  readonly eventId: string | null;
  readonly eventType: string | null;
  readonly webhookId: string | null;
  readonly deliveryId: string | null;
  readonly lastStatus: string | null;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** JSON object: header name to an array of base64 values, so that any bytes come back as they were. */
  readonly headers: string;
}

/** How far the log goes in one partition: the batch holds what lies from `expectedOffset` up to before `nextOffset`. */
export interface LogPosition {
  readonly topic: string;
  readonly partition: number;
  /** The position that the database must have; null = none yet. */
  readonly expectedOffset: number | null;
  readonly nextOffset: number;
}

/** What is written in one transaction, or not at all. */
export interface LogBatch {
  readonly positions: readonly LogPosition[];
  readonly attempts: readonly AttemptRecord[];
  readonly events: readonly ArchivedEvent[];
  readonly deadLetters: readonly DeadLetterEntry[];
}

/**
 * `moved`: another recorder has written meanwhile. `refused`: PostgreSQL cannot hold a value of the batch, whenever it is asked.
 * In both cases nothing of the batch was written.
 */
export type WriteBatchResult =
  | { readonly kind: 'written' }
  | { readonly kind: 'moved' }
  | { readonly kind: 'refused'; readonly message: string };
