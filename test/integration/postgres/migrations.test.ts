import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { NONCE_BYTES, parseKeyRing, sealSecret } from '../../../src/domain/secret-box.ts';
import { checkMigrations, migrate } from '../../../src/infrastructure/postgres/migrations.ts';
import { checkSecretKeys } from '../../../src/infrastructure/postgres/secret-key-check.ts';
import { ensureTenant, keepTestSecret } from '../../../src/infrastructure/postgres/tenant-store.ts';
import { createEmptyDatabase, createTestDatabase } from '../../support/test-database.ts';

describe('migrations', () => {
  test('are listed before, applied once, and done after', async () => {
    await using database = await createEmptyDatabase();

    const pending = await checkMigrations(database);
    const applied = await migrate(database);

    expect(pending[0]).toBe('001-configuration');
    expect(applied).toEqual(pending);
    expect(await checkMigrations(database)).toEqual([]);
    expect(await migrate(database)).toEqual([]);
  });

  test('looking writes nothing', async () => {
    await using database = await createEmptyDatabase();

    await checkMigrations(database);

    const { rows } = await database.knex.raw(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`);
    expect(rows).toEqual([]);
  });

  test('run by several at once are applied by one', async () => {
    await using database = await createEmptyDatabase();

    const applied = await Promise.all([migrate(database), migrate(database), migrate(database)]);

    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  });
});

describe('the check of the secret keys', () => {
  const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
  const nonce = () => randomBytes(NONCE_BYTES);

  test('accepts the keys that it saw before, in any order', async () => {
    await using database = await createTestDatabase();
    const [first, second] = [key('k1'), key('k2')];

    await checkSecretKeys(database, parseKeyRing(first), nonce());
    await checkSecretKeys(database, parseKeyRing(`${second},${first}`), nonce());
    await checkSecretKeys(database, parseKeyRing(`${first},${second}`), nonce());
  });

  test('refuses another key under a known id', async () => {
    await using database = await createTestDatabase();
    await checkSecretKeys(database, parseKeyRing(key('k1')), nonce());

    await expect(checkSecretKeys(database, parseKeyRing(key('k1')), nonce())).rejects.toMatchObject({
      code: 'misconfigured',
      message: expect.stringContaining('"k1" is not the one'),
    });
  });

  test('lets a key go only when no secret needs it any more', async () => {
    await using database = await createTestDatabase();
    const old = parseKeyRing(key('old'));
    const fresh = parseKeyRing(key('fresh'));
    await checkSecretKeys(database, old, nonce());
    await checkSecretKeys(database, fresh, nonce());

    await ensureTenant(database, 'acme');
    await keepTestSecret(database, 'acme', sealSecret(old, 'tenant:acme', 'whsec_x', nonce()));

    await expect(checkSecretKeys(database, fresh, nonce())).rejects.toThrow('need the secret key "old"');
  });
});
