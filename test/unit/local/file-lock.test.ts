import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tryLock, waitForLock } from '../../../src/local/file-lock.ts';
import { identityOf } from '../../../src/local/process-identity.ts';
import { temporaryFolder } from '../../support/local-infra.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

test('a lock is held by one and tells the others by whom', () => {
  const file = join(folder.path, 'lock');
  const first = tryLock(file);
  expect(first).toHaveProperty('release');
  expect(tryLock(file)).toEqual({ heldBy: process.pid });
  if ('release' in first) first.release();
  expect(tryLock(file)).toHaveProperty('release');
  expect(readdirSync(folder.path)).toEqual(['lock']);
});

test('the lock of a process that is dead is taken over', () => {
  const file = join(folder.path, 'lock');
  // The process id is ours, the start time is not: the id was reused.
  writeFileSync(file, `${process.pid}:1:00000000`);
  expect(tryLock(file)).toHaveProperty('release');
  expect(readdirSync(folder.path)).toEqual(['lock']);
});

test('a release leaves the lock of a successor alone', () => {
  const file = join(folder.path, 'lock');
  const lock = tryLock(file);
  const successor = `${identityOf(1) ?? '1:1:1'}`;
  writeFileSync(file, successor);
  if ('release' in lock) lock.release();
  expect(tryLock(file)).toEqual({ heldBy: 1 });
});

test('who waits for a lock is told for whom, once, and gets it at its release', async () => {
  const file = join(folder.path, 'lock');
  const first = tryLock(file);
  const told: number[] = [];
  const waiting = waitForLock(file, (pid) => {
    told.push(pid);
    if ('release' in first) first.release();
  });
  const second = await waiting;
  expect(told).toEqual([process.pid]);
  second.release();
});
