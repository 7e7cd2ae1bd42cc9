import type { AttemptRecord } from './attempt-record.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NO_DELIVERY = '00000000-0000-0000-0000-000000000000';
/** Fits an index entry of the log with room to spare; our own ids are shorter. */
const LONGEST_ID = 255;
const LARGEST_INTEGER = 2_147_483_647;

/** Why an attempt record cannot be kept in the log, in a sentence; null when it can. */
export function attemptFlaw(attempt: AttemptRecord): string | null {
  for (const name of ['attempt_id', 'webhook_id', 'delivery_id'] as const) {
    if (!UUID.test(attempt[name])) return `${name} is not a lower-case UUID`;
  }
  for (const name of ['tenant_id', 'event_id', 'event_type'] as const) {
    if (attempt[name].length > LONGEST_ID) return `${name} is longer than ${LONGEST_ID} characters`;
  }
  for (const name of ['attempt', 'status_code'] as const) {
    if (!isStorable(attempt[name])) return `${name} is out of range`;
  }
  if (attempt.outcome === 'parked' && attempt.delivery === null) return 'parked without its delivery';
  return null;
}

/** A report on a webhook's state belongs to no delivery; the log wants an id all the same. */
export function withDeliveryId(attempt: AttemptRecord): AttemptRecord {
  if (attempt.kind !== 'webhook_state' || attempt.delivery_id !== '') return attempt;
  return { ...attempt, delivery_id: NO_DELIVERY };
}

function isStorable(value: number | null): boolean {
  return value === null || (value >= 0 && value <= LARGEST_INTEGER);
}
