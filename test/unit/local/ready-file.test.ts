import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cacheFolder } from '../../../src/local/cache-folder.ts';
import { openReadyFile } from '../../../src/local/ready-file.ts';
import { secretKeysIn } from '../../../src/local/secret-keys.ts';
import { temporaryFolder } from '../../support/local-infra.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

test('a ready file of an earlier run goes at once, and the new one is for its owner only', () => {
  const path = join(folder.path, 'ready.json');
  writeFileSync(path, 'stale');
  const file = openReadyFile(path);
  expect(existsSync(path)).toBe(false);
  file.write({ kafkaBrokers: '127.0.0.1:9092' });
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ kafkaBrokers: '127.0.0.1:9092' });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  file.remove();
  expect(readdirSync(folder.path)).toEqual([]);
});

test('secret keys are made once, 32 bytes, for their owner only', () => {
  const keys = secretKeysIn(folder.path);
  expect(keys).toMatch(/^[a-z]+:[A-Za-z0-9+/]{43}=$/);
  expect(Buffer.from(keys.split(':')[1] ?? '', 'base64')).toHaveLength(32);
  expect(secretKeysIn(folder.path)).toBe(keys);
  expect(statSync(join(folder.path, 'secret-keys')).mode & 0o777).toBe(0o600);
});

test('downloads go where XDG_CACHE_HOME says, unless it is relative', () => {
  expect(cacheFolder({ XDG_CACHE_HOME: '/var/cache/me' })).toBe('/var/cache/me/posthorn');
  expect(cacheFolder({ XDG_CACHE_HOME: 'cache' })).toMatch(/\/\.cache\/posthorn$/);
  expect(cacheFolder({})).toMatch(/\/\.cache\/posthorn$/);
});
