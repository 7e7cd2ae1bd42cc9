import type { CachedWebhook } from '../../domain/webhook.ts';
import { type Database, query } from './database.ts';
import { toWebhook, WEBHOOK_COLUMNS, type WebhookRow } from './webhook-store.ts';

/** The version of every webhook, by id. */
export async function readWebhookVersions(database: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await query<{ id: string; version: string }>(database.knex, 'SELECT id, version FROM webhooks');
  return new Map(rows.map((row) => [row.id, Number(row.version)]));
}

/** The webhooks of these ids with their sealed secrets, newest first; ids that do not exist are left out. */
export async function readWebhooks(database: Database, ids: readonly string[]): Promise<readonly CachedWebhook[]> {
  const rows = await query<WebhookRow & { sealed_secrets: string[] }>(
    database.knex,
    `SELECT ${WEBHOOK_COLUMNS},
       ARRAY(SELECT s.sealed FROM webhook_secrets s WHERE s.webhook_id = w.id ORDER BY s.id DESC) AS sealed_secrets
     FROM webhooks w WHERE w.id = ANY (CAST(? AS uuid[]))`,
    [[...ids]],
  );
  return rows.map((row) => ({ ...toWebhook(row), encryptedSecrets: row.sealed_secrets }));
}
