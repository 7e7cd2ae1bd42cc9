import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../domain/errors.ts';
import { identityOf, pidOf, stillRuns } from './process-identity.ts';

const POLL_INTERVAL_MS = 200;

/** A file that names the one process that may use something. */
export interface FileLock {
  release(): void;
}

/** Takes the lock, or answers with the id of the process that holds it. A holder that is dead holds nothing. */
export function tryLock(file: string): FileLock | { readonly heldBy: number } {
  const own = identityOf(process.pid) ?? `${process.pid}:unknown:unknown`;
  const draft = `${file}.${process.pid}.${Math.trunc(performance.now() * 1000)}`;
  // A link appears whole or not at all, so nobody ever reads a lock that is half written.
  writeFileSync(draft, own, { mode: 0o600 });
  try {
    for (;;) {
      if (tryLink(draft, file)) return { release: () => releaseIfOwn(file, own) };
      const holder = read(file);
      if (holder !== undefined && stillRuns(holder)) return { heldBy: pidOf(holder) };
      if (holder !== undefined) removeStale(file, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Takes the lock as soon as it is free; `onWait` is told once whom we wait for. */
export async function waitForLock(
  file: string,
  onWait: (pid: number) => void,
  signal?: AbortSignal,
): Promise<FileLock> {
  let told = false;
  for (;;) {
    const lock = tryLock(file);
    if ('release' in lock) return lock;
    if (!told) onWait(lock.heldBy);
    told = true;
    await pause(POLL_INTERVAL_MS, undefined, { signal });
  }
}

function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw new AppError('unavailable', `cannot create the lock ${file}`, { cause: error });
  }
}

/** Moves a dead process's lock away; puts it back when it turns out that a living one took over in between. */
function removeStale(file: string, holder: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  if (read(aside) !== holder) tryLink(aside, file);
  rmSync(aside, { force: true });
}

function releaseIfOwn(file: string, own: string): void {
  if (read(file) === own) rmSync(file, { force: true });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
