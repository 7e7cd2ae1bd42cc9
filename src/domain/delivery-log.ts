import type { AttemptRecord } from './attempt-record.ts';

/**
 * What the log says of a delivery by its last word: `waiting` for an attempt, `parked` in PostgreSQL until its webhook is
 * back, accepted, or a dead letter.
 */
type DeliveryStatus = 'waiting' | 'parked' | 'succeeded' | 'failed';

/**
 * Where a record stands among those of one delivery. Compared field by field, so that the last word is the same in
 * whatever order and however often the records come: the number of the attempt first (clocks of workers differ), then
 * an attempt or an end over being set aside before it, then the time, then the id.
 */
interface WordPlace {
  readonly attempt: number;
  readonly isDecisive: boolean;
  readonly atMs: number;
  readonly id: string;
}

/** One delivery as far as some of its attempt records tell. */
export interface DeliveryProgress {
  /** The record with the last word. */
  readonly word: AttemptRecord;
  readonly place: WordPlace;
  readonly status: DeliveryStatus;
  /** Highest number of an attempt that was made; 0 = none yet. */
  readonly attempts: number;
  /** Start of the latest attempt that was made, epoch milliseconds. */
  readonly lastAttemptAtMs: number | null;
}

/** One entry per delivery with the last word of these records. Reports on a webhook's state are of no delivery. */
export function lastWords(records: readonly AttemptRecord[]): DeliveryProgress[] {
  const byDelivery = new Map<string, DeliveryProgress>();
  for (const record of records) {
    if (record.kind === 'webhook_state') continue;
    const known = byDelivery.get(record.delivery_id);
    const progress = progressOf(record);
    byDelivery.set(record.delivery_id, known === undefined ? progress : laterOf(known, progress));
  }
  return [...byDelivery.values()];
}

/** What one record alone says. */
function progressOf(record: AttemptRecord): DeliveryProgress {
  const wasMade = record.kind === 'attempted';
  return {
    word: record,
    place: {
      attempt: record.attempt,
      isDecisive: wasMade || record.kind === 'ended',
      atMs: record.started_at_ms,
      id: record.attempt_id,
    },
    status: statusOf(record),
    attempts: wasMade ? record.attempt : 0,
    lastAttemptAtMs: wasMade ? record.started_at_ms : null,
  };
}

/** Joins what two groups of records say of one delivery: commutative, associative, idempotent. */
export function laterOf(one: DeliveryProgress, other: DeliveryProgress): DeliveryProgress {
  const last = comparePlaces(one.place, other.place) < 0 ? other : one;
  return {
    ...last,
    attempts: Math.max(one.attempts, other.attempts),
    lastAttemptAtMs: latest(one.lastAttemptAtMs, other.lastAttemptAtMs),
  };
}

function comparePlaces(one: WordPlace, other: WordPlace): number {
  if (one.attempt !== other.attempt) return one.attempt - other.attempt;
  if (one.isDecisive !== other.isDecisive) return one.isDecisive ? 1 : -1;
  if (one.atMs !== other.atMs) return one.atMs - other.atMs;
  if (one.id === other.id) return 0;
  return one.id < other.id ? -1 : 1;
}

function statusOf(record: AttemptRecord): DeliveryStatus {
  switch (record.outcome) {
    case 'succeeded':
      return 'succeeded';
    case 'dead':
      return 'failed';
    case 'parked':
      return 'parked';
    case 'retrying':
    case 'waiting':
    case 'unknown':
      return 'waiting';
  }
}

function latest(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}
