import type { Knex } from 'knex';
import type { DeadLetter, DeadLetterRecord, RecordId } from '../../domain/dead-letter.ts';
import { answering, type Database, isoTimestamp, query } from './database.ts';

/** Which dead letters are meant. */
export interface DeadLetterFilter {
  readonly topic: string;
  /** Stable code; null = any. */
  readonly reason: string | null;
}

/** The newest dead letters first. */
export async function listDeadLetters(
  database: Database,
  { topic, reason, limit }: DeadLetterFilter & { readonly limit: number },
): Promise<readonly DeadLetter[]> {
  const rows = await query<Row>(
    database.knex,
    `SELECT ${SUMMARY} FROM dead_letters WHERE topic = ? AND (CAST(? AS text) IS NULL OR reason = ?)
     ORDER BY received_at DESC, partition, record_offset DESC LIMIT ?`,
    [topic, reason, reason, limit],
  );
  return rows.map(toDeadLetter);
}

/** Where a walk through dead letters stands: behind this one. */
export interface DeadLetterCursor {
  readonly timestampMs: number;
  readonly partition: number;
  readonly offset: number;
}

/** A page of those that were not sent again yet and arrived by a time, oldest first. */
export interface DeadLetterPage extends DeadLetterFilter {
  readonly after: DeadLetterCursor | null;
  /** Epoch milliseconds. */
  readonly arrivedByMs: number;
  readonly limit: number;
}

/** Sends dead letters again and says which ones it sent. */
export type Resend = (letters: readonly DeadLetterRecord[]) => Promise<readonly RecordId[]>;

/**
 * Lends a page of dead letters to `resend` and marks those that it sent, all in one transaction: two who do it at once
 * do not send the same one twice, and what fails half-way is not marked. Returns the page; empty at the end.
 */
export async function redrivePage(
  database: Database,
  page: DeadLetterPage,
  resend: Resend,
): Promise<readonly DeadLetterRecord[]> {
  const { topic, reason, after, arrivedByMs, limit } = page;
  const from = after ?? { timestampMs: 0, partition: -1, offset: -1 };
  return lend(database, resend, (transaction) =>
    query<RecordRow>(
      transaction,
      `SELECT ${RECORD} FROM dead_letters
       WHERE topic = ? AND (CAST(? AS text) IS NULL OR reason = ?) AND redriven_at IS NULL
         AND (received_at, partition, record_offset) > (${TIME}, CAST(? AS integer), CAST(? AS bigint))
         AND received_at <= ${TIME}
       ORDER BY received_at, partition, record_offset LIMIT ? FOR UPDATE SKIP LOCKED`,
      [topic, reason, reason, from.timestampMs, from.partition, from.offset, arrivedByMs, limit],
    ),
  );
}

/** Lends one dead letter to `resend` in the same way; null when there is no such one. One sent before is not lent again. */
export async function redriveOne(database: Database, id: RecordId, resend: Resend): Promise<DeadLetterRecord | null> {
  const [letter] = await lend(database, resend, (transaction) =>
    query<RecordRow>(
      transaction,
      `SELECT ${RECORD} FROM dead_letters WHERE topic = ? AND partition = ? AND record_offset = ? FOR UPDATE`,
      [id.topic, id.partition, id.offset],
    ),
  );
  return letter ?? null;
}

async function lend(
  database: Database,
  resend: Resend,
  select: (transaction: Knex.Transaction) => Promise<readonly RecordRow[]>,
): Promise<readonly DeadLetterRecord[]> {
  return answering(() =>
    database.knex.transaction(async (transaction) => {
      const letters = (await select(transaction)).map(toRecord);
      const waiting = letters.filter(({ redrivenAt }) => redrivenAt === null);
      const sent = waiting.length === 0 ? [] : await resend(waiting);
      for (const id of sent) await markRedriven(transaction, id);
      return letters;
    }),
  );
}

async function markRedriven(transaction: Knex.Transaction, { topic, partition, offset }: RecordId): Promise<void> {
  await query(
    transaction,
    `UPDATE dead_letters SET redriven_at = now()
     WHERE topic = ? AND partition = ? AND record_offset = ? AND redriven_at IS NULL`,
    [topic, partition, offset],
  );
}

interface Row {
  readonly topic: string;
  readonly partition: number;
  readonly record_offset: string;
  readonly received_at: Date;
  readonly reason: string;
  readonly error: string | null;
  readonly source: string | null;
  readonly failed_at: string | null;
  readonly tenant_id: string | null;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly webhook_id: string | null;
  readonly delivery_id: string | null;
  readonly last_status: string | null;
  readonly redriven_at: string | null;
}

interface RecordRow extends Row {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: string;
}

const SUMMARY = `topic, partition, record_offset, received_at, reason, error, source, failed_at, tenant_id, event_id,
  event_type, webhook_id, delivery_id, last_status, ${isoTimestamp('redriven_at')} AS redriven_at`;
const RECORD = `${SUMMARY}, key, value, headers`;
/** Epoch milliseconds as PostgreSQL's time, exactly. */
const TIME = `(timestamptz 'epoch' + CAST(? AS bigint) * interval '1 millisecond')`;

function toDeadLetter(row: Row): DeadLetter {
  return {
    topic: row.topic,
    partition: row.partition,
    offset: Number(row.record_offset),
    timestampMs: row.received_at.getTime(),
    reason: row.reason,
    error: row.error,
    source: row.source,
    failedAt: row.failed_at,
    tenantId: row.tenant_id,
    eventId: row.event_id,
    eventType: row.event_type,
    webhookId: row.webhook_id,
    deliveryId: row.delivery_id,
    lastStatus: row.last_status,
    redrivenAt: row.redriven_at,
  };
}

function toRecord(row: RecordRow): DeadLetterRecord {
  const { key, value, headers } = row;
  return { ...toDeadLetter(row), key, value, headers };
}
