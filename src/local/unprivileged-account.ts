import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../domain/errors.ts';

/** `nobody` on nearly every Linux: owns nothing and may do nothing. */
const NOBODY = { uid: 65534, gid: 65534 };

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account for a server that refuses to run as root; `undefined` when we are not root and it runs as ourselves. */
export function unprivilegedAccount(): Account | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

const OTHERS_ENTER = 0o001;
const OTHERS_READ = 0o004;

/** Whether the account can walk the whole way into this folder. Looks at "others" only, which is the safe side. */
export function canEnter(folder: string): boolean {
  for (let at = folder; ; at = dirname(at)) {
    if ((statSync(at).mode & OTHERS_ENTER) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** Whether the account can also read what is in it. */
export function canRead(folder: string): boolean {
  return (statSync(folder).mode & OTHERS_READ) !== 0 && canEnter(folder);
}

/** The first of the folders that we may write and the account can enter; created when missing. */
export function firstReachable(candidates: readonly string[]): string {
  const folder = candidates.find(isUsable);
  if (folder !== undefined) return folder;
  const message = `an unprivileged account must reach one of these folders, and cannot: ${candidates.join(', ')}`;
  throw new AppError('misconfigured', message);
}

function isUsable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    accessSync(folder, constants.W_OK);
    return canEnter(folder);
  } catch {
    // A read-only file system, for instance: the next candidate may do.
    return false;
  }
}
