import { type ApiScope, isApiScope } from '../../domain/api-key.ts';
import { type Database, isoTimestamp, query } from './database.ts';

/** A key as it is stored: everything but the secret. */
export interface ApiKey {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly secretDigest: Buffer;
  readonly scopes: readonly ApiScope[];
  readonly createdAt: string;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

export type NewApiKey = Pick<ApiKey, 'id' | 'tenantId' | 'name' | 'secretDigest' | 'scopes'>;

/** Adds a key; its tenant must be known. */
export async function insertApiKey(database: Database, key: NewApiKey): Promise<void> {
  await query(
    database.knex,
    'INSERT INTO api_keys (id, tenant_id, name, secret_digest, scopes) VALUES (?, ?, ?, ?, CAST(? AS text[]))',
    [key.id, key.tenantId, key.name, key.secretDigest, [...key.scopes]],
  );
}

/** The key of a public id that is not revoked, or null. Notes the use, at most once a minute, so that reads stay reads. */
export async function useApiKey(database: Database, id: string): Promise<ApiKey | null> {
  const [row] = await query<ApiKeyRow>(database.knex, `${SELECT_KEYS} WHERE id = ? AND revoked_at IS NULL`, [id]);
  if (row === undefined) return null;
  if (row.is_use_stale) await query(database.knex, 'UPDATE api_keys SET last_used_at = now() WHERE id = ?', [id]);
  return toApiKey(row);
}

/** All keys, newest first; of one tenant when it is given. */
export async function listApiKeys(database: Database, tenantId: string | null): Promise<readonly ApiKey[]> {
  const rows = await query<ApiKeyRow>(
    database.knex,
    `${SELECT_KEYS} WHERE CAST(? AS text) IS NULL OR tenant_id = ? ORDER BY api_keys.created_at DESC, id`,
    [tenantId, tenantId],
  );
  return rows.map(toApiKey);
}

/** Ends a key at once and for good; false when there is no such key or it was revoked before. */
export async function revokeApiKey(database: Database, id: string): Promise<boolean> {
  const rows = await query<{ id: string }>(
    database.knex,
    'UPDATE api_keys SET revoked_at = now() WHERE id = ? AND revoked_at IS NULL RETURNING id',
    [id],
  );
  return rows.length > 0;
}

interface ApiKeyRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly name: string;
  readonly secret_digest: Buffer;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly last_used_at: string | null;
  readonly revoked_at: string | null;
  readonly is_use_stale: boolean;
}

const SELECT_KEYS = `SELECT id, tenant_id, name, secret_digest, scopes, ${isoTimestamp('created_at')} AS created_at,
  ${isoTimestamp('last_used_at')} AS last_used_at, ${isoTimestamp('revoked_at')} AS revoked_at,
  COALESCE(last_used_at < now() - interval '1 minute', true) AS is_use_stale
  FROM api_keys`;

function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    tenantId: row.tenant_id,
    name: row.name,
    secretDigest: row.secret_digest,
    scopes: row.scopes.filter(isApiScope),
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
