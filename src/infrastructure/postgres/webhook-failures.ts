import type { ClientBase } from 'pg';
import type { AttemptRecord } from '../../domain/attempt-record.ts';
import { type FailureStreak, failureStreaks } from '../../domain/failure-streak.ts';
import { storableMs } from '../../domain/log-days.ts';
import type { DisabledWebhook } from '../../domain/webhook.ts';

/**
 * Remembers since when webhooks have done nothing but fail, inside the caller's transaction, and switches off those that
 * still fail `disableAfterMs` after their first failure. A change by the owner since that attempt keeps a webhook on.
 */
export async function recordFailures(
  client: ClientBase,
  attempts: readonly AttemptRecord[],
  disableAfterMs: number,
): Promise<readonly DisabledWebhook[]> {
  const streaks = failureStreaks(attempts);
  await endStreaks(client, streaks);
  const failing = streaks.filter((streak) => streak.failing !== null);
  if (failing.length === 0) return [];
  await addFailures(client, failing);
  const { rows } = await client.query<DisabledWebhook>({
    name: 'recorder-disable-failing',
    text: DISABLE,
    values: [failing.map(({ webhookId }) => webhookId), disableAfterMs],
  });
  return rows;
}

async function endStreaks(client: ClientBase, streaks: readonly FailureStreak[]): Promise<void> {
  const succeeded = streaks.flatMap(({ webhookId, succeeded: last }) =>
    last === null ? [] : [{ webhookId, ...last }],
  );
  if (succeeded.length === 0) return;
  await client.query({
    name: 'recorder-end-streaks',
    text: END_STREAKS,
    values: [
      succeeded.map(({ webhookId }) => webhookId),
      succeeded.map(({ version }) => version),
      succeeded.map(({ atMs }) => storableMs(atMs)),
    ],
  });
}

async function addFailures(client: ClientBase, streaks: readonly FailureStreak[]): Promise<void> {
  await client.query({
    name: 'recorder-add-failures',
    text: ADD_FAILURES,
    values: [
      streaks.map(({ webhookId }) => webhookId),
      streaks.map(({ failing }) => failing?.version),
      streaks.map(({ failing }) => storableMs(failing?.sinceMs ?? 0)),
      streaks.map(({ failing }) => storableMs(failing?.lastMs ?? 0)),
    ],
  });
}

const time = (milliseconds: string) => `to_timestamp(${milliseconds} / 1000.0)`;

// A success recorded late ends only what failed before it.
const END_STREAKS = `
  WITH succeeded AS (
    SELECT webhook_id, version, ${time('ms')} AS at FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS each (webhook_id, version, ms)
  ), ended AS (
    DELETE FROM webhook_failures AS known USING succeeded
    WHERE known.webhook_id = succeeded.webhook_id
      AND (known.version, known.last_failed_at) <= (succeeded.version, succeeded.at)
  )
  UPDATE webhook_failures AS known SET failing_since = known.last_failed_at FROM succeeded
  WHERE known.webhook_id = succeeded.webhook_id AND known.version = succeeded.version
    AND known.failing_since <= succeeded.at AND known.last_failed_at > succeeded.at`;

// Webhooks in one order, so that two recorders never wait for each other.
const ADD_FAILURES = `
  INSERT INTO webhook_failures AS known (webhook_id, version, failing_since, last_failed_at)
  SELECT webhook_id, version, ${time('since_ms')}, ${time('last_ms')}
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[]) AS each (webhook_id, version, since_ms, last_ms)
  WHERE EXISTS (SELECT FROM webhooks WHERE webhooks.id = each.webhook_id)
  ORDER BY webhook_id
  ON CONFLICT (webhook_id) DO UPDATE SET
    version = excluded.version,
    failing_since = CASE WHEN excluded.version > known.version THEN excluded.failing_since
                         ELSE LEAST(known.failing_since, excluded.failing_since) END,
    last_failed_at = CASE WHEN excluded.version > known.version THEN excluded.last_failed_at
                          ELSE GREATEST(known.last_failed_at, excluded.last_failed_at) END
  WHERE excluded.version >= known.version`;

const DISABLE = `
  UPDATE webhooks SET is_active = false, disabled_reason = 'failing' FROM webhook_failures AS known
  WHERE webhooks.id = known.webhook_id AND webhooks.id = ANY ($1::uuid[]) AND webhooks.is_active
    AND known.version >= webhooks.version
    AND known.last_failed_at - known.failing_since >= $2::bigint * interval '1 millisecond'
  RETURNING webhooks.id AS "webhookId", webhooks.tenant_id AS "tenantId", webhooks.disabled_reason AS reason`;
