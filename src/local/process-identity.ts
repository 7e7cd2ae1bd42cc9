import { readFileSync } from 'node:fs';

/**
 * A name for one process that no later process has: its id, when it began, and on which boot. Ids alone are reused.
 * `undefined` when there is no such process (a zombie counts as none).
 */
export function identityOf(pid: number): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === undefined) return isAlive(pid) && !hasProc() ? `${pid}:unknown:unknown` : undefined;
  // The command stands in parentheses and may hold blanks; the numbered fields begin after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined;
  return `${pid}:${startTicks}:${bootId()}`;
}

/** The process id inside an identity. */
export function pidOf(identity: string): number {
  return Number(identity.split(':')[0]);
}

/** Whether the very process that had this identity still runs. */
export function stillRuns(identity: string): boolean {
  return identityOf(pidOf(identity)) === identity;
}

function bootId(): string {
  return readProc('/proc/sys/kernel/random/boot_id')?.slice(0, 8) ?? 'unknown';
}

function hasProc(): boolean {
  return readProc('/proc/self/stat') !== undefined;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // Gone, or a system without /proc: both mean that nothing is known.
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
