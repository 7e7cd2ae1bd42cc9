import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensureCached } from '../../../src/local/download-cache.ts';
import { temporaryFolder } from '../../support/local-infra.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function entry(fill: (draft: string) => Promise<void>) {
  return { path: join(folder.path, 'thing'), what: 'a thing', lockName: 'thing', fill };
}

const place = () => ({ cacheDir: folder.path, progress: () => undefined });

test('an entry is made once, also by two who want it at once', async () => {
  let made = 0;
  const wanted = entry(async (draft) => {
    made++;
    writeFileSync(draft, 'content');
  });
  await Promise.all([ensureCached(wanted, place()), ensureCached(wanted, place())]);
  await ensureCached(wanted, place());
  expect(made).toBe(1);
  expect(readFileSync(wanted.path, 'utf8')).toBe('content');
  expect(readdirSync(folder.path)).toEqual(['thing']);
});

test('a failure half-way leaves nothing, and the next try succeeds', async () => {
  const failing = entry(async (draft) => {
    mkdirSync(draft);
    writeFileSync(join(draft, 'half'), '');
    throw new Error('the network is gone');
  });
  await expect(ensureCached(failing, place())).rejects.toThrow('the network is gone');
  expect(readdirSync(folder.path)).toEqual([]);
  await ensureCached(
    entry(async (draft) => {
      mkdirSync(draft);
    }),
    place(),
  );
  expect(existsSync(failing.path)).toBe(true);
});

test('what a killed maker left is swept away by the next one', async () => {
  mkdirSync(join(folder.path, '.thing.draft-999999'));
  await ensureCached(
    entry(async (draft) => writeFileSync(draft, '')),
    place(),
  );
  expect(readdirSync(folder.path)).toEqual(['thing']);
});
