import { type Database, isoTimestamp, query } from './database.ts';

/** A webhook that gets nothing at the moment, though nobody switched it off by hand. */
export interface TroubledWebhook {
  readonly id: string;
  readonly tenantId: string;
  readonly eventType: string;
  /** failing: nothing but failures. disabled: switched off, for that (`failing`) or for a 410 (`gone`). */
  readonly state: 'failing' | 'disabled_gone' | 'disabled_failing';
  /** ISO 8601. */
  readonly since: string;
  readonly failedLastHour: number;
  readonly parked: number;
}

export interface WebhookCounts {
  readonly active: number;
  readonly disabled: number;
}

export interface DeadLetterCount {
  readonly topic: string;
  readonly reason: string;
  readonly count: number;
  /** How many of them were not sent again. */
  readonly waiting: number;
  /** ISO 8601. */
  readonly newestAt: string;
}

export async function countWebhooks(database: Database): Promise<WebhookCounts> {
  const [row] = await query<{ active: string; disabled: string }>(
    database.knex,
    `SELECT count(*) FILTER (WHERE is_active) AS active, count(*) FILTER (WHERE NOT is_active) AS disabled
     FROM webhooks`,
  );
  return { active: Number(row?.active ?? 0), disabled: Number(row?.disabled ?? 0) };
}

/** The webhooks in trouble, the longest ones first. */
export async function readTroubledWebhooks(database: Database, limit: number): Promise<readonly TroubledWebhook[]> {
  const rows = await query<TroubledRow>(database.knex, TROUBLED, [limit]);
  return rows.map((row) => ({
    id: row.id,
    tenantId: row.tenant_id,
    eventType: row.event_type,
    state: row.state,
    since: row.since,
    failedLastHour: Number(row.failed_last_hour),
    parked: Number(row.parked),
  }));
}

export async function countDeadLetters(database: Database): Promise<readonly DeadLetterCount[]> {
  const rows = await query<{ topic: string; reason: string; count: string; waiting: string; newest_at: string }>(
    database.knex,
    `SELECT topic, reason, count(*) AS count, count(*) FILTER (WHERE redriven_at IS NULL) AS waiting,
       ${isoTimestamp('max(received_at)')} AS newest_at
     FROM dead_letters GROUP BY topic, reason ORDER BY topic, count(*) DESC, reason`,
  );
  return rows.map(({ topic, reason, count, waiting, newest_at: newestAt }) => ({
    topic,
    reason,
    count: Number(count),
    waiting: Number(waiting),
    newestAt,
  }));
}

interface TroubledRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly event_type: string;
  readonly state: TroubledWebhook['state'];
  readonly since: string;
  readonly failed_last_hour: string;
  readonly parked: string;
}

// Attempts have no index by webhook, so they are found by way of its deliveries, and only for the few that are shown. A
// delivery is tried for some days at most.
const TROUBLED = `
  WITH troubled AS (
    SELECT id, tenant_id, event_type, 'disabled_' || disabled_reason AS state, updated_at AS since
    FROM webhooks WHERE NOT is_active AND disabled_reason IS NOT NULL
    UNION ALL
    SELECT id, tenant_id, event_type, 'failing', failing_since
    FROM webhook_failures JOIN webhooks ON id = webhook_id
    WHERE is_active AND webhook_failures.version = webhooks.version
  ), shown AS (
    SELECT * FROM troubled ORDER BY since, id LIMIT ?
  )
  SELECT id, tenant_id, event_type, state, ${isoTimestamp('since')} AS since,
    (SELECT count(*) FROM deliveries d
       JOIN attempts a ON a.delivery_id = d.delivery_id AND a.day = d.day
     WHERE d.webhook_id = shown.id AND d.created_at > now() - interval '5 days'
       AND d.last_attempt_at > now() - interval '1 hour'
       AND a.kind = 'attempted' AND a.outcome <> 'succeeded' AND a.started_at > now() - interval '1 hour'
    ) AS failed_last_hour,
    (SELECT count(*) FROM parked_deliveries p WHERE p.webhook_id = shown.id AND p.released_at IS NULL) AS parked
  FROM shown ORDER BY shown.since, id`;
