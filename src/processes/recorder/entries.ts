import { attemptFlaw, withDeliveryId } from '../../domain/attempt-check.ts';
import type { AttemptRecord } from '../../domain/attempt-record.ts';
import { AppError } from '../../domain/errors.ts';
import type { EventReadResult } from '../../domain/event.ts';
import type { ArchivedEvent, DeadLetterEntry, LogBatch } from '../../domain/log-entries.ts';
import { type ConsumedRecord, headerText, type RecordHeaders } from '../../domain/record.ts';
import type { Handed } from './partition-log.ts';

/** What one record becomes in the log. `nothing`: its position moves on, and that is all. */
export type Content =
  | { readonly kind: 'attempt'; readonly attempt: AttemptRecord }
  | { readonly kind: 'event'; readonly event: ArchivedEvent }
  | { readonly kind: 'dead'; readonly letter: DeadLetterEntry }
  | { readonly kind: 'nothing' };

export interface Entry extends Handed {
  readonly record: ConsumedRecord;
  readonly content: Content;
}

type DecodeAttempt = (value: Buffer) => AttemptRecord | Promise<AttemptRecord>;

/**
 * A record on `attempts`. What cannot be read, or not be stored, is kept raw among the dead letters. Throws (or rejects) with
 * `unavailable` when the schema registry is needed and does not answer.
 */
export function attemptContent(record: ConsumedRecord, decode: DecodeAttempt): Content | Promise<Content> {
  if (record.value === null) return unreadable(record, 'the record has no value');
  const failed = (error: unknown) => unreadableUnlessUnavailable(record, error);
  try {
    const decoded = decode(record.value);
    if (decoded instanceof Promise) return decoded.then((attempt) => storable(record, attempt), failed);
    return storable(record, decoded);
  } catch (error) {
    return failed(error);
  }
}

function storable(record: ConsumedRecord, decoded: AttemptRecord): Content {
  const attempt = withDeliveryId(decoded);
  const flaw = attemptFlaw(attempt);
  return flaw === null ? { kind: 'attempt', attempt } : unreadable(record, flaw);
}

function unreadableUnlessUnavailable(record: ConsumedRecord, error: unknown): Content {
  if (error instanceof AppError && error.code === 'unavailable') throw error;
  return unreadable(record, String(error));
}

/** A record on an input topic. One that is no event is the router's to put aside, and comes back on `events.dead`. */
export function eventContent(record: ConsumedRecord, result: EventReadResult): Content {
  if (result.kind === 'rejected') return { kind: 'nothing' };
  const { topic, partition, offset, timestampMs } = record;
  return { kind: 'event', event: { topic, partition, offset, timestampMs, event: result.event } };
}

/** A record on one of the dead-letter topics. */
export function deadContent(record: ConsumedRecord): Content {
  const reason = headerText(record.headers, 'posthorn-reason') ?? 'unknown';
  return { kind: 'dead', letter: letterOf(record, reason, headerText(record.headers, 'posthorn-error')) };
}

/** A record that the log cannot hold in the form it should have. */
export function unreadable(record: ConsumedRecord, error: string): Content {
  return { kind: 'dead', letter: letterOf(record, 'decode_failed', error) };
}

/** The entries as one transaction: rows by table, positions by partition. Entries of one partition are in order. */
export function batchOf(entries: readonly Entry[]): LogBatch {
  const last = new Map(entries.map((entry) => [entry.log, entry.offset]));
  return {
    positions: [...last].map(([log, offset]) => ({
      topic: log.partition.topic,
      partition: log.partition.partition,
      expectedOffset: log.nextOffset,
      nextOffset: offset + 1,
    })),
    attempts: entries.flatMap(({ content }) => (content.kind === 'attempt' ? [content.attempt] : [])),
    events: entries.flatMap(({ content }) => (content.kind === 'event' ? [content.event] : [])),
    deadLetters: entries.flatMap(({ content }) => (content.kind === 'dead' ? [content.letter] : [])),
  };
}

function letterOf(record: ConsumedRecord, reason: string, error: string | null): DeadLetterEntry {
  const { topic, partition, offset, timestampMs, key, value, headers } = record;
  return {
    topic,
    partition,
    offset,
    timestampMs,
    key,
    value,
    reason,
    error,
    source: headerText(headers, 'posthorn-source'),
    failedAt: headerText(headers, 'posthorn-failed-at'),
    tenantId: headerText(headers, 'ce_tenantid'),
    eventId: headerText(headers, 'ce_id'),
    eventType: headerText(headers, 'ce_type'),
    webhookId: headerText(headers, 'posthorn-webhook'),
    deliveryId: headerText(headers, 'posthorn-delivery'),
    lastStatus: headerText(headers, 'posthorn-last-status'),
    headers: headersAsJson(headers),
  };
}

function headersAsJson(headers: RecordHeaders): string {
  const encoded = Object.entries(headers).map(([name, value]) => {
    const values = value === undefined ? [] : [value].flat();
    return [name, values.map((each) => Buffer.from(each).toString('base64'))];
  });
  return JSON.stringify(Object.fromEntries(encoded));
}
