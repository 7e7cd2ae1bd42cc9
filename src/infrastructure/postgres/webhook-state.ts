import type { ClientBase } from 'pg';
import type { AttemptRecord } from '../../domain/attempt-record.ts';
import type { DisabledWebhook } from '../../domain/webhook.ts';

/** The states that switch a webhook off; the column admits no other. */
const DISABLING_STATES: ReadonlySet<string> = new Set(['gone', 'failing']);

/**
 * Switches off the webhooks that workers report as gone or failing, unless the customer has changed them since: the
 * attempt must have used the row as it is now. Versions are compared and not times, because a worker may begin an
 * attempt after a change and still hold the row from before; only a report without a version is judged by its time.
 */
export async function applyWebhookStates(
  client: ClientBase,
  attempts: readonly AttemptRecord[],
): Promise<readonly DisabledWebhook[]> {
  const reports = attempts.filter((attempt) => DISABLING_STATES.has(attempt.webhook_state ?? ''));
  if (reports.length === 0) return [];
  const { rows } = await client.query<DisabledWebhook>({
    name: 'recorder-webhook-states',
    text: DISABLE,
    values: [
      reports.map((report) => report.webhook_id),
      reports.map((report) => report.webhook_state),
      reports.map((report) => report.webhook_version),
      reports.map((report) => report.started_at_ms),
    ],
  });
  return rows;
}

const DISABLE = `
  UPDATE webhooks SET is_active = false, disabled_reason = report.state
  FROM (
    SELECT DISTINCT ON (id) id, state, version, started_at_ms
    FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS each (id, state, version, started_at_ms)
    ORDER BY id, version DESC, started_at_ms DESC
  ) AS report
  WHERE webhooks.id = report.id AND webhooks.is_active AND (
    report.version >= webhooks.version
    OR (report.version = 0 AND to_timestamp(report.started_at_ms / 1000.0) > webhooks.updated_at)
  )
  RETURNING webhooks.id AS "webhookId", webhooks.tenant_id AS "tenantId", webhooks.disabled_reason AS reason`;
