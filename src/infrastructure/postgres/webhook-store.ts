import type { DisabledReason, Webhook } from '../../domain/webhook.ts';
import { answering, type Database, isoTimestamp, onlyRow, query } from './database.ts';

/** A webhook as the API shows it: with its totals. */
export interface WebhookWithStats extends Webhook {
  readonly totalDeliveries: number;
  readonly successfulDeliveries: number;
  readonly failedDeliveries: number;
  readonly lastTriggeredAt: string | null;
}

export interface NewWebhook {
  readonly id: string;
  readonly tenantId: string;
  readonly eventType: string;
  readonly url: string;
  readonly description: string;
  readonly filters: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly sealedSecret: string;
}

/** What a PATCH may change; absent fields stay. */
export interface WebhookChange {
  readonly url?: string;
  readonly description?: string;
  readonly filters?: Readonly<Record<string, unknown>>;
  readonly isActive?: boolean;
}

/** Adds a webhook with its first secret, unless its tenant already has `limit` of them. */
export async function insertWebhook(
  database: Database,
  webhook: NewWebhook,
  limit: number,
): Promise<'created' | 'limit_reached'> {
  return answering(() =>
    database.knex.transaction(async (transaction) => {
      // The tenant's row makes its creations queue, so that two at once cannot both take the last place.
      await transaction.raw('SELECT 1 FROM tenants WHERE id = ? FOR NO KEY UPDATE', [webhook.tenantId]);
      if ((await countIn(transaction, webhook.tenantId)) >= limit) return 'limit_reached';
      await transaction.raw(
        `INSERT INTO webhooks (id, tenant_id, event_type, url, description, filters, settings) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        [
          webhook.id,
          webhook.tenantId,
          webhook.eventType,
          webhook.url,
          webhook.description,
          JSON.stringify(webhook.filters),
          JSON.stringify(webhook.settings),
        ],
      );
      await transaction.raw('INSERT INTO webhook_secrets (webhook_id, sealed) VALUES (?, ?)', [
        webhook.id,
        webhook.sealedSecret,
      ]);
      return 'created';
    }),
  );
}

/** How many webhooks a tenant has. */
export async function countWebhooks(database: Database, tenantId: string): Promise<number> {
  return countIn(database.knex, tenantId);
}

/** All webhooks of a tenant, newest first. */
export async function listWebhooks(database: Database, tenantId: string): Promise<readonly WebhookWithStats[]> {
  const rows = await query<StatsRow>(
    database.knex,
    `${SELECT_WITH_STATS} WHERE w.tenant_id = ? ORDER BY w.created_at DESC, w.id DESC`,
    [tenantId],
  );
  return rows.map(withStats);
}

/** One webhook of a tenant; null when it has none of this id. */
export async function findWebhook(database: Database, tenantId: string, id: string): Promise<WebhookWithStats | null> {
  const [row] = await query<StatsRow>(database.knex, `${SELECT_WITH_STATS} WHERE w.tenant_id = ? AND w.id = ?`, [
    tenantId,
    id,
  ]);
  return row === undefined ? null : withStats(row);
}

/** Changes one webhook; false when the tenant has none of this id. Switching it by hand clears why it was disabled. */
export async function updateWebhook(
  database: Database,
  tenantId: string,
  id: string,
  change: WebhookChange,
): Promise<boolean> {
  const columns = {
    ...(change.url === undefined ? {} : { url: change.url }),
    ...(change.description === undefined ? {} : { description: change.description }),
    ...(change.filters === undefined ? {} : { filters: JSON.stringify(change.filters) }),
    ...(change.isActive === undefined ? {} : { is_active: change.isActive, disabled_reason: null }),
  };
  if (Object.keys(columns).length === 0) return (await findWebhook(database, tenantId, id)) !== null;
  const changed = await answering(() => database.knex('webhooks').where({ tenant_id: tenantId, id }).update(columns));
  return changed > 0;
}

/** Removes one webhook with its secrets and totals; false when the tenant has none of this id. */
export async function deleteWebhook(database: Database, tenantId: string, id: string): Promise<boolean> {
  const rows = await query<{ id: string }>(
    database.knex,
    `WITH gone AS (DELETE FROM webhooks WHERE tenant_id = ? AND id = ? RETURNING id),
          totals AS (DELETE FROM webhook_stats WHERE webhook_id IN (SELECT id FROM gone)),
          failures AS (DELETE FROM webhook_failures WHERE webhook_id IN (SELECT id FROM gone))
     SELECT id FROM gone`,
    [tenantId, id],
  );
  return rows.length > 0;
}

async function countIn(knex: Database['knex'], tenantId: string): Promise<number> {
  const rows = await query<{ count: string }>(knex, 'SELECT count(*) FROM webhooks WHERE tenant_id = ?', [tenantId]);
  return Number(onlyRow(rows).count);
}

/** A row of `webhooks` as `WEBHOOK_COLUMNS` selects it; bigint comes as text and is exact as a number up to 2^53. */
export interface WebhookRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly event_type: string;
  readonly url: string;
  readonly description: string;
  readonly filters: Record<string, unknown>;
  readonly is_active: boolean;
  readonly disabled_reason: DisabledReason | null;
  readonly version: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** The columns of `webhooks w` that make a `Webhook`. */
export const WEBHOOK_COLUMNS = `w.id, w.tenant_id, w.event_type, w.url, w.description, w.filters, w.is_active, w.disabled_reason,
  w.version, ${isoTimestamp('w.created_at')} AS created_at, ${isoTimestamp('w.updated_at')} AS updated_at`;

export function toWebhook(row: WebhookRow): Webhook {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    eventType: row.event_type,
    url: row.url,
    description: row.description,
    filters: row.filters,
    isActive: row.is_active,
    disabledReason: row.disabled_reason,
    version: Number(row.version),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

interface StatsRow extends WebhookRow {
  readonly total_deliveries: string | null;
  readonly successful_deliveries: string | null;
  readonly failed_deliveries: string | null;
  readonly last_triggered_at: string | null;
}

const SELECT_WITH_STATS = `SELECT ${WEBHOOK_COLUMNS}, s.total_deliveries, s.successful_deliveries, s.failed_deliveries,
  ${isoTimestamp('s.last_triggered_at')} AS last_triggered_at
  FROM webhooks w LEFT JOIN webhook_stats s ON s.webhook_id = w.id`;

function withStats(row: StatsRow): WebhookWithStats {
  return {
    ...toWebhook(row),
    totalDeliveries: Number(row.total_deliveries ?? 0),
    successfulDeliveries: Number(row.successful_deliveries ?? 0),
    failedDeliveries: Number(row.failed_deliveries ?? 0),
    lastTriggeredAt: row.last_triggered_at,
  };
}
