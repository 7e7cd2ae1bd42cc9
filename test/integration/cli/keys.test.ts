import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keysCommand } from '../../../src/cli/keys.ts';
import { digestMatches, parseApiKey } from '../../../src/domain/api-key.ts';
import { useApiKey } from '../../../src/infrastructure/postgres/api-key-store.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/test-database.ts';

let lines: string[];
beforeEach(() => {
  lines = [];
  const note = (line: unknown) => void lines.push(String(line));
  vi.spyOn(console, 'log').mockImplementation(note);
  vi.spyOn(console, 'error').mockImplementation(note);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** Runs the command against a database; the exit code and what it printed. */
async function keys(database: TestDatabase, ...args: string[]) {
  vi.stubEnv('POSTHORN_DATABASE_URL', database.url);
  lines = [];
  const code = await keysCommand.run(args);
  return { code, printed: lines.join('\n') };
}

test('a key is created, listed without its secret, and revoked', async () => {
  await using database = await createTestDatabase();

  const created = await keys(database, 'create', '--tenant', 'acme', '--name', 'CI', '--json');
  const key = JSON.parse(created.printed);
  expect(created.code).toBe(0);
  expect(Object.keys(key)).toEqual(['api_key', 'key_id', 'tenant_id', 'name']);
  expect(key).toMatchObject({ tenant_id: 'acme', name: 'CI' });
  const parsed = parseApiKey(key.api_key);
  const stored = await useApiKey(database, key.key_id);
  expect(parsed !== null && digestMatches(parsed.digest, stored?.secretDigest ?? null)).toBe(true);

  const listed = await keys(database, 'list', '--json');
  expect(JSON.parse(listed.printed)).toMatchObject([
    { key_id: key.key_id, tenant_id: 'acme', name: 'CI', revoked_at: null },
  ]);
  expect(listed.printed).not.toContain(key.api_key.split('_')[2]);
  expect(JSON.parse((await keys(database, 'list', '--tenant', 'other', '--json')).printed)).toEqual([]);

  expect((await keys(database, 'revoke', key.key_id)).code).toBe(0);
  expect(await useApiKey(database, key.key_id)).toBeNull();
  expect((await keys(database, 'revoke', key.key_id)).code).toBe(1);
});

test('a key with a narrower scope has only that', async () => {
  await using database = await createTestDatabase();

  const { printed } = await keys(
    database,
    'create',
    '--tenant',
    'a',
    '--name',
    'n',
    '--scope',
    'webhooks:read',
    '--json',
  );

  expect((await useApiKey(database, JSON.parse(printed).key_id))?.scopes).toEqual(['webhooks:read']);
});

test('people are shown the key once, in words', async () => {
  await using database = await createTestDatabase();

  const { code, printed } = await keys(database, 'create', '--tenant', 'acme', '--name', 'CI');

  expect(code).toBe(0);
  expect(printed).toMatch(/shown only now:\n\n {2}phk_[a-z2-7_]+\n/);
});

test.each([
  { args: [], says: 'one of create, list, revoke' },
  { args: ['make'], says: 'one of create, list, revoke' },
  { args: ['create', '--name', 'x'], says: '--tenant' },
  { args: ['create', '--tenant', 'a'], says: '--name' },
  { args: ['create', '--tenant', 'a b', '--name', 'x'], says: '--tenant must be' },
  { args: ['create', '--tenant', 'a', '--name', 'x', '--scope', 'everything'], says: '--scope must be' },
  { args: ['create', '--tenant', 'a', '--name', 'x', '--nope'], says: '--nope' },
  { args: ['list', 'extra'], says: 'too many arguments' },
  { args: ['revoke'], says: 'needs the id' },
])('the arguments $args are refused with the reason and the usage', async ({ args, says }) => {
  expect(await keysCommand.run(args)).toBe(2);

  expect(lines.join('\n')).toContain(says);
  expect(lines.join('\n')).toContain('posthorn keys create');
});

test('a database that is not set up is named as the reason', async () => {
  await using database = await createEmptyDatabase();

  const { code, printed } = await keys(database, 'list');

  expect([code, printed]).toEqual([1, expect.stringContaining('posthorn bootstrap')]);
});
