import type { AttemptRecord } from './attempt-record.ts';

/** A webhook that does nothing but fail for longer than this is disabled, at its next failure. */
export const DISABLE_AFTER_MS = 5 * 86_400_000;

/** When, and with which version of the webhook's row. Compared in the order version, time: a change starts afresh. */
interface Moment {
  readonly version: number;
  /** End of the attempt, epoch milliseconds. */
  readonly atMs: number;
}

/** What some attempts say of one webhook. */
export interface FailureStreak {
  readonly webhookId: string;
  /** The last success; null when there was none. */
  readonly succeeded: Moment | null;
  /** The failures after it; null when there were none. Receivers that throttle fail too: nothing was accepted. */
  readonly failing: { readonly version: number; readonly sinceMs: number; readonly lastMs: number } | null;
}

/** One entry per webhook that was attempted; the order of the records does not matter. */
export function failureStreaks(records: readonly AttemptRecord[]): FailureStreak[] {
  const attempted = records.filter(({ kind }) => kind === 'attempted');
  const byWebhook = Map.groupBy(attempted, (record) => record.webhook_id);
  return [...byWebhook].map(([webhookId, ofWebhook]) => streakOf(webhookId, ofWebhook));
}

function streakOf(webhookId: string, records: readonly AttemptRecord[]): FailureStreak {
  let succeeded: Moment | null = null;
  for (const record of records) {
    const moment = momentOf(record);
    if (record.outcome === 'succeeded' && isAfter(moment, succeeded)) succeeded = moment;
  }
  const failures = records.filter(({ outcome }) => outcome !== 'succeeded').map(momentOf);
  const version = Math.max(...failures.map((failure) => failure.version));
  const times = failures
    .filter((failure) => failure.version === version && isAfter(failure, succeeded))
    .map(({ atMs }) => atMs);
  const failing = times.length === 0 ? null : { version, sinceMs: Math.min(...times), lastMs: Math.max(...times) };
  return { webhookId, succeeded, failing };
}

function momentOf({ webhook_version: version, started_at_ms: startedAtMs, duration_us: durationUs }: AttemptRecord) {
  return { version, atMs: startedAtMs + Math.round(durationUs / 1000) };
}

function isAfter(one: Moment, other: Moment | null): boolean {
  if (other === null) return true;
  return one.version === other.version ? one.atMs > other.atMs : one.version > other.version;
}
