import { randomBytes } from 'node:crypto';
import { API_KEY_RANDOM_BYTES, API_SCOPES, type ApiScope, formatApiKey } from '../../domain/api-key.ts';
import { insertApiKey } from './api-key-store.ts';
import type { Database } from './database.ts';
import { ensureTenant } from './tenant-store.ts';

/** A key just made; the only time that its text exists outside its owner's hands. */
export interface IssuedApiKey {
  readonly apiKey: string;
  readonly keyId: string;
  readonly tenantId: string;
  readonly name: string;
}

/** Makes an API key for a tenant, which becomes known by it. Without `scopes` the key may do everything. */
export async function issueApiKey(
  database: Database,
  request: { readonly tenantId: string; readonly name: string; readonly scopes?: readonly ApiScope[] },
): Promise<IssuedApiKey> {
  const { tenantId, name, scopes = API_SCOPES } = request;
  const key = formatApiKey(randomBytes(API_KEY_RANDOM_BYTES));
  await ensureTenant(database, tenantId);
  await insertApiKey(database, { id: key.id, tenantId, name, secretDigest: key.digest, scopes });
  return { apiKey: key.text, keyId: key.id, tenantId, name };
}
