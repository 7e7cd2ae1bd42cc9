import { type Database, onlyRow, query } from './database.ts';

/** A sealed webhook secret and the webhook to which it is bound. */
export interface SealedWebhookSecret {
  readonly webhookId: string;
  readonly sealed: string;
}

/** Makes the tenant known; does nothing when it is. */
export async function ensureTenant(database: Database, tenantId: string): Promise<void> {
  await query(database.knex, 'INSERT INTO tenants (id) VALUES (?) ON CONFLICT (id) DO NOTHING', [tenantId]);
}

/** The tenant's sealed test secret; null before its first use. */
export async function findTestSecret(database: Database, tenantId: string): Promise<string | null> {
  const [row] = await query<{ sealed_test_secret: string | null }>(
    database.knex,
    'SELECT sealed_test_secret FROM tenants WHERE id = ?',
    [tenantId],
  );
  return row?.sealed_test_secret ?? null;
}

/** Stores a test secret unless there is one, and returns the one that counts. */
export async function keepTestSecret(database: Database, tenantId: string, sealed: string): Promise<string> {
  const rows = await query<{ sealed_test_secret: string }>(
    database.knex,
    'UPDATE tenants SET sealed_test_secret = COALESCE(sealed_test_secret, ?) WHERE id = ? RETURNING sealed_test_secret',
    [sealed, tenantId],
  );
  return onlyRow(rows).sealed_test_secret;
}

/** The sealed secrets of all webhooks that a tenant has for this URL, newest first. */
export async function listSecretsForUrl(
  database: Database,
  tenantId: string,
  url: string,
  limit: number,
): Promise<readonly SealedWebhookSecret[]> {
  const rows = await query<{ webhook_id: string; sealed: string }>(
    database.knex,
    `SELECT s.webhook_id, s.sealed FROM webhook_secrets s JOIN webhooks w ON w.id = s.webhook_id
     WHERE w.tenant_id = ? AND w.url = ? ORDER BY s.id DESC LIMIT ?`,
    [tenantId, url, limit],
  );
  return rows.map((row) => ({ webhookId: row.webhook_id, sealed: row.sealed }));
}
