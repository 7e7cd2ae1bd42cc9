import type { ClientBase } from 'pg';
import type { DeliveryProgress } from '../../domain/delivery-log.ts';
import { storableMs } from '../../domain/log-days.ts';

const counts = (row: string) => `(${row}.attempts > 0 AND NOT ${row}.superseded)`;
const change = (what: (row: string) => string) => `${what('new')}::int - COALESCE(${what('old')}::int, 0)`;

/** For RETURNING of a statement on `deliveries`: what each changed row adds to its webhook's `stats`. */
export const STATS_CHANGES = `
  new.webhook_id,
  ${change(counts)} AS total,
  ${change((row) => `(${counts(row)} AND ${row}.status = 'succeeded')`)} AS succeeded,
  ${change((row) => `(${counts(row)} AND ${row}.status = 'failed')`)} AS failed,
  new.last_attempt_at`;

/**
 * Ends a statement whose `changed` has the columns of `STATS_CHANGES`. Webhooks in one order, so that two recorders never
 * wait for each other. Of a deleted webhook nothing is counted.
 */
export const ADD_CHANGED_TO_STATS = `
  INSERT INTO webhook_stats AS stats
    (webhook_id, total_deliveries, successful_deliveries, failed_deliveries, last_triggered_at)
  SELECT webhook_id, sum(total), sum(succeeded), sum(failed), max(last_attempt_at) FROM changed
  WHERE EXISTS (SELECT FROM webhooks WHERE webhooks.id = changed.webhook_id)
  GROUP BY webhook_id
  HAVING max(last_attempt_at) IS NOT NULL
  ORDER BY webhook_id
  ON CONFLICT (webhook_id) DO UPDATE SET
    total_deliveries = stats.total_deliveries + excluded.total_deliveries,
    successful_deliveries = stats.successful_deliveries + excluded.successful_deliveries,
    failed_deliveries = stats.failed_deliveries + excluded.failed_deliveries,
    last_triggered_at = GREATEST(stats.last_triggered_at, excluded.last_triggered_at)`;

/** Adds new deliveries to the `stats` of their webhooks: those with an attempt, by their last word. */
export async function addToStats(client: ClientBase, deliveries: readonly DeliveryProgress[]): Promise<void> {
  const sums = new Map<string, Sum>();
  for (const delivery of deliveries) {
    if (delivery.lastAttemptAtMs !== null) addTo(sums, delivery, delivery.lastAttemptAtMs);
  }
  if (sums.size === 0) return;
  const all = [...sums];
  await client.query({
    name: 'recorder-add-stats',
    text: ADD_SUMS,
    values: [
      all.map(([webhookId]) => webhookId),
      all.map(([, sum]) => sum.total),
      all.map(([, sum]) => sum.succeeded),
      all.map(([, sum]) => sum.failed),
      all.map(([, sum]) => sum.lastMs),
    ],
  });
}

interface Sum {
  total: number;
  succeeded: number;
  failed: number;
  lastMs: number;
}

function addTo(sums: Map<string, Sum>, { word, status }: DeliveryProgress, lastAttemptAtMs: number): void {
  const sum = sums.get(word.webhook_id) ?? { total: 0, succeeded: 0, failed: 0, lastMs: 0 };
  sums.set(word.webhook_id, sum);
  sum.total += 1;
  sum.lastMs = Math.max(sum.lastMs, storableMs(lastAttemptAtMs));
  if (status === 'succeeded') sum.succeeded += 1;
  if (status === 'failed') sum.failed += 1;
}

const ADD_SUMS = `
  WITH changed AS (
    SELECT webhook_id, total, succeeded, failed, to_timestamp(last_ms / 1000.0) AS last_attempt_at
    FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::integer[], $5::bigint[])
      AS sums (webhook_id, total, succeeded, failed, last_ms)
  )
  ${ADD_CHANGED_TO_STATS}`;
