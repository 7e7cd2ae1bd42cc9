import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../domain/errors.ts';
import { tryLock } from './file-lock.ts';
import type { Guard } from './guard.ts';
import { identityOf, pidOf, stillRuns } from './process-identity.ts';
import type { Progress } from './progress.ts';
import { writeFileAtomically } from './ready-file.ts';
import { firstReachable, unprivilegedAccount } from './unprivileged-account.ts';

const POLL_INTERVAL_MS = 50;
/** How long what an earlier run left may take to end in order, before it is forced. */
const LEFTOVER_DEADLINE_MS = 10_000;

/** The folder of one set of servers, locked for us. */
export interface DataFolder {
  readonly path: string;
  readonly logFolder: string;
  readonly temporaryFolder: string;
  /** Notes that these processes are ours, so that the next start can end them if we cannot. */
  recordProcesses(pids: readonly number[]): void;
  /** Gives the folder back; an ephemeral one is removed. */
  close(): void;
}

/**
 * Opens and locks the folder; ends the servers of an earlier run that was killed. Throws `conflict` when another process
 * uses the folder.
 */
export async function openDataFolder(dataDir: string, progress: Progress): Promise<DataFolder> {
  const path = resolve(dataDir);
  prepare(path);
  const lock = tryLock(join(path, 'lock'));
  if ('heldBy' in lock) {
    const message = `the data folder ${path} is in use by process ${lock.heldBy}: stop it, or name another folder in POSTHORN_DATA_DIR`;
    throw new AppError('conflict', message);
  }
  await endLeftovers(join(path, 'processes'), progress);
  const folder = contents(path);
  keepOldLogs(folder.logFolder);
  return { ...folder, close: () => closeDurable(path, () => lock.release()) };
}

/** A new folder below the system's temporary folder; it goes at `close`, and with `guard` also when we are killed. */
export function createEphemeralFolder(guard: Guard): DataFolder {
  const bases = [tmpdir(), '/var/tmp', '/tmp'];
  const base = unprivilegedAccount() === undefined ? tmpdir() : firstReachable(bases);
  const path = mkdtempSync(join(base, 'posthorn-'));
  guard.removeAtDeath(path);
  prepare(path);
  return { ...contents(path), close: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

function contents(path: string): Omit<DataFolder, 'close'> {
  const recordProcesses = (pids: readonly number[]) => {
    const identities = pids.map((pid) => identityOf(pid)).filter((identity) => identity !== undefined);
    writeFileAtomically(join(path, 'processes'), identities.join('\n'));
  };
  return { path, logFolder: join(path, 'logs'), temporaryFolder: join(path, 'tmp'), recordProcesses };
}

function prepare(path: string): void {
  // As root the database runs as somebody else, who must walk through here; what is secret is closed file by file.
  const mode = unprivilegedAccount() === undefined ? 0o700 : 0o711;
  mkdirSync(path, { recursive: true, mode });
  chmodSync(path, mode);
  rmSync(join(path, 'tmp'), { recursive: true, force: true });
  for (const name of ['logs', 'tmp']) mkdirSync(join(path, name), { recursive: true, mode: 0o700 });
}

function closeDurable(path: string, release: () => void): void {
  rmSync(join(path, 'processes'), { force: true });
  rmSync(join(path, 'tmp'), { recursive: true, force: true });
  release();
}

async function endLeftovers(file: string, progress: Progress): Promise<void> {
  if (!existsSync(file)) return;
  const running = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && stillRuns(line));
  const leftovers = running();
  if (leftovers.length > 0) progress(`ending ${leftovers.length} servers that an earlier run left behind`);
  for (const identity of leftovers) signalAll(identity, ['SIGCONT', 'SIGTERM', 'SIGINT']);
  const deadline = performance.now() + LEFTOVER_DEADLINE_MS;
  while (running().length > 0) {
    if (performance.now() > deadline) for (const identity of running()) signalAll(identity, ['SIGKILL']);
    await pause(POLL_INTERVAL_MS);
  }
  rmSync(file);
}

function signalAll(identity: string, signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) {
    try {
      process.kill(pidOf(identity), signal);
    } catch {
      // It ended in between, which is what we wanted.
    }
  }
}

/** The logs of this run and of the one before; not more, so that they cannot fill a disk over the months. */
function keepOldLogs(logFolder: string): void {
  for (const name of readdirSync(logFolder)) {
    if (name.endsWith('.log')) renameSync(join(logFolder, name), join(logFolder, `${name}.1`));
  }
}
