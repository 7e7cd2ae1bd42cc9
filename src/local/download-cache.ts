import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { waitForLock } from './file-lock.ts';
import type { CachePlace } from './server-place.ts';

export interface CacheEntry {
  /** The finished file or folder. It is there whole or not at all. */
  readonly path: string;
  /** For people: what it is. */
  readonly what: string;
  /** One of these at a time, on the whole machine: Maven's own store is not safe for two. */
  readonly lockName: string;
  /** Makes the entry at the draft path, which does not exist yet. */
  readonly fill: (draft: string) => Promise<void>;
}

/** Makes the entry unless it is there. Safe against being killed half-way and against a second process doing the same. */
export async function ensureCached(entry: CacheEntry, { progress, signal }: CachePlace): Promise<void> {
  const { path, what } = entry;
  if (existsSync(path)) return;
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  const lock = await waitForLock(
    join(folder, `.${entry.lockName}.lock`),
    (pid) => {
      if (pid !== process.pid) progress(`waiting for process ${pid}, which is preparing ${what}`);
    },
    signal,
  );
  try {
    if (existsSync(path)) return;
    removeDrafts(path);
    const draft = join(folder, `.${basename(path)}.draft-${process.pid}`);
    await entry.fill(draft);
    renameSync(draft, path);
  } finally {
    removeDrafts(path);
    lock.release();
  }
}

/** Whoever left a draft is dead or is us: a living maker holds the lock. */
function removeDrafts(path: string): void {
  const prefix = `.${basename(path)}.draft-`;
  for (const name of readdirSync(dirname(path))) {
    if (name.startsWith(prefix)) rmSync(join(dirname(path), name), { recursive: true, force: true });
  }
}
