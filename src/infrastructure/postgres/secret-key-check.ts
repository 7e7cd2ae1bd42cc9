import { AppError } from '../../domain/errors.ts';
import { type KeyRing, openSecret, sealSecret } from '../../domain/secret-box.ts';
import { type Database, query } from './database.ts';

/** What each check row holds, sealed: it opens only with the very key that first used the key id. */
const KNOWN_TEXT = 'posthorn';

/**
 * Compares the configured keys with those that encrypted what is stored. Throws `misconfigured` when a key has changed
 * under its id, or when secrets need a key that is not configured. `nonce`: 12 fresh random bytes.
 */
export async function checkSecretKeys(database: Database, ring: KeyRing, nonce: Buffer): Promise<void> {
  const currentId = ring.current.id;
  const sealed = sealSecret(ring, binding(currentId), KNOWN_TEXT, nonce);
  await query(
    database.knex,
    'INSERT INTO secret_key_check (key_id, sealed) VALUES (?, ?) ON CONFLICT (key_id) DO NOTHING',
    [currentId, sealed],
  );
  const rows = await query<CheckRow>(database.knex, SELECT_CHECKS);
  for (const row of rows) checkOne(ring, row);
}

interface CheckRow {
  readonly key_id: string;
  readonly sealed: string;
  readonly is_needed: boolean;
}

const SELECT_CHECKS = `SELECT c.key_id, c.sealed,
  (EXISTS (SELECT 1 FROM webhook_secrets s WHERE split_part(s.sealed, '.', 2) = c.key_id)
   OR EXISTS (SELECT 1 FROM tenants t WHERE split_part(t.sealed_test_secret, '.', 2) = c.key_id)) AS is_needed
  FROM secret_key_check c`;

function checkOne(ring: KeyRing, row: CheckRow): void {
  const id = row.key_id;
  if (!ring.byId.has(id)) {
    if (row.is_needed) throw misconfigured(`stored secrets need the secret key "${id}", which is not configured`);
    return;
  }
  try {
    openSecret(ring, binding(id), row.sealed);
  } catch (cause) {
    throw misconfigured(`the secret key "${id}" is not the one that encrypted the stored secrets; restore it`, cause);
  }
}

function binding(keyId: string): string {
  return `secret_key_check:${keyId}`;
}

function misconfigured(message: string, cause?: unknown): AppError {
  return new AppError('misconfigured', message, { cause });
}
