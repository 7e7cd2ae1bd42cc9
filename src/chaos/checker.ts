import { type Request, webhookPathOf } from './ledger.ts';
import type { ProducedEvent } from './load.ts';

/** One row of the attempts table, as far as it is compared. */
export interface AttemptRow {
  readonly deliveryId: string;
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly nextAttemptAtMs: number | null;
}

/** What was promised and what the ledgers hold. */
export interface Evidence {
  readonly events: ReadonlyMap<string, ProducedEvent>;
  /** Paths of the webhooks that want every event. */
  readonly webhookPaths: readonly string[];
  /** Further webhooks of the row, which may get some of the events. */
  readonly extraPaths: readonly string[];
  readonly requests: readonly Request[];
  /** `<webhook path> <event id>` of deliveries that ended as dead letters. */
  readonly deadLetters: ReadonlySet<string>;
  readonly attempts: readonly AttemptRow[];
}

/** The findings of one comparison; every count is of things, not of runs. */
export interface Findings {
  /** I1: acknowledged event × webhook that was neither accepted nor became a dead letter. */
  readonly lost: readonly string[];
  /** I2: requests for an event or webhook that does not exist, or whose body is not the event's. */
  readonly invented: number;
  /** I3: requests answered with 2xx beyond the first of each event × webhook. */
  readonly duplicates: number;
  /** I6: requests whose signature does not verify. */
  readonly unverified: number;
  /** I7: requests whose id changed within a delivery, or whose timestamp is not that of the attempt. */
  readonly misdated: number;
  /** I8: retries that began before they were due, and the worst lateness, seconds. */
  readonly early: number;
  readonly latestSeconds: number;
  /** I9: requests without a row in the attempts table. */
  readonly unrecorded: number;
  readonly dead: number;
}

const TIMESTAMP_TOLERANCE_S = 5;
const EARLY_TOLERANCE_MS = 50;

/** Compares sets, never mere counts. */
export function compare(evidence: Evidence): Findings {
  const { requests, events, webhookPaths, extraPaths } = evidence;
  const paths = new Set([...webhookPaths, ...extraPaths]);
  const settled = new Set(acceptedOf(requests).map(keyOf));
  const hasBody = ({ eventId, bodyHash }: Request) => events.get(eventId)?.bodyHash === bodyHash;
  return {
    lost: missing(evidence, settled),
    invented: requests.filter((request) => !paths.has(webhookPathOf(request.path)) || !hasBody(request)).length,
    duplicates: duplicatesOf(requests),
    unverified: requests.filter(({ verified }) => !verified).length,
    misdated: misdated(requests),
    ...schedule(evidence.attempts),
    unrecorded: unrecorded(evidence),
    dead: evidence.deadLetters.size,
  };
}

/** Requests answered with 2xx beyond the first of each event × webhook. */
export function duplicatesOf(requests: readonly Request[]): number {
  const accepted = acceptedOf(requests);
  return accepted.length - new Set(accepted.map(keyOf)).size;
}

function acceptedOf(requests: readonly Request[]): readonly Request[] {
  return requests.filter(({ answer }) => answer === 'accepted');
}

/** What is neither accepted nor a dead letter yet. */
export function missing(
  { events, webhookPaths, deadLetters }: Pick<Evidence, 'events' | 'webhookPaths' | 'deadLetters'>,
  accepted: ReadonlySet<string>,
): string[] {
  const lost: string[] = [];
  for (const { id, ackedAtMs } of events.values()) {
    if (ackedAtMs === null) continue;
    for (const path of webhookPaths) {
      const key = `${path} ${id}`;
      if (!accepted.has(key) && !deadLetters.has(key)) lost.push(key);
    }
  }
  return lost;
}

export function keyOf({ path, eventId }: Pick<Request, 'path' | 'eventId'>): string {
  return `${webhookPathOf(path)} ${eventId}`;
}

function misdated(requests: readonly Request[]): number {
  const eventOf = new Map<string, string>();
  return requests.filter(({ deliveryId, eventId, timestampSeconds, atMs }) => {
    const known = eventOf.get(deliveryId) ?? eventId;
    eventOf.set(deliveryId, known);
    const isFresh = Math.abs(atMs / 1000 - timestampSeconds) <= TIMESTAMP_TOLERANCE_S;
    return known !== eventId || !isFresh;
  }).length;
}

function schedule(attempts: readonly AttemptRow[]): { early: number; latestSeconds: number } {
  const dueMs = new Map<string, number>();
  for (const { deliveryId, attempt, nextAttemptAtMs } of attempts) {
    if (nextAttemptAtMs === null) continue;
    const next = `${deliveryId} ${attempt + 1}`;
    // An attempt that was repeated names two times; its successor may take the earlier one.
    dueMs.set(next, Math.min(nextAttemptAtMs, dueMs.get(next) ?? Number.POSITIVE_INFINITY));
  }
  let early = 0;
  let latestMs = 0;
  for (const { deliveryId, attempt, startedAtMs } of attempts) {
    const due = dueMs.get(`${deliveryId} ${attempt}`);
    if (due === undefined) continue;
    if (startedAtMs < due - EARLY_TOLERANCE_MS) early += 1;
    latestMs = Math.max(latestMs, startedAtMs - due);
  }
  return { early, latestSeconds: latestMs / 1000 };
}

function attemptKeyOf({ deliveryId, attempt }: { deliveryId: string; attempt: number }): string {
  return `${deliveryId} ${attempt}`;
}

function unrecorded({ requests, attempts }: Evidence): number {
  const rows = new Map<string, number>();
  const count = (key: string, by: number) => rows.set(key, (rows.get(key) ?? 0) + by);
  for (const row of attempts) count(attemptKeyOf(row), 1);
  // A request that was reset may have been sent once more within the same attempt: both are one row.
  const again = new Set(requests.filter(({ answer }) => answer !== 'reset').map(attemptKeyOf));
  const resets = new Set<string>();
  for (const request of requests) {
    const key = attemptKeyOf(request);
    const isSecondHalf = request.answer === 'reset' && (again.has(key) || resets.has(key));
    if (request.answer === 'reset') resets.add(key);
    if (!isSecondHalf) count(key, -1);
  }
  return [...rows.values()].reduce((sum, surplus) => sum + Math.max(0, -surplus), 0);
}
