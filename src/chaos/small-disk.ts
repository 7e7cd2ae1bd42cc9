import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../local/run-command.ts';
import type { CommandWrap } from '../local/server-process.ts';
import { type Account, firstReachable } from '../local/unprivileged-account.ts';

/** A disk of a few megabytes, which only the processes that are started through `wrap` see. */
export interface SmallDisk {
  /** Runs a server whose data folder lies on the small disk from its first start on. */
  readonly wrap: CommandWrap;
  /** Takes all space that is left. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  close(): Promise<void>;
}

export interface SmallDiskOptions {
  readonly megabytes: number;
  /** The account of the server; our own when absent. */
  readonly account: Account | undefined;
  /** Finds the data folder in the server's command line. */
  readonly dataFolderOf: (command: readonly string[]) => string;
}

const CHUNK_BYTES = 64 * 1024;

/**
 * A mount namespace of its own that nobody needs to be root for, held open by a sleeping process: so the disk outlives the
 * server, as a real one does, and can be filled from outside.
 */
export async function makeSmallDisk({ megabytes, account, dataFolderOf }: SmallDiskOptions): Promise<SmallDisk> {
  const base = mkdtempSync(join(firstReachable([tmpdir(), '/var/tmp', '/tmp']), 'posthorn-disk-'));
  const mountPoint = join(base, 'disk');
  mkdirSync(mountPoint, { mode: 0o755 });
  if (account !== undefined) for (const path of [base, mountPoint]) chownSync(path, account.uid, account.gid);
  const holder = spawn(
    'unshare',
    ['--user', '--map-current-user', '--keep-caps', '--mount', '/bin/sh', '-c', HOLD, mountPoint, `${megabytes}m`],
    { stdio: ['pipe', 'pipe', 'inherit'], ...account },
  );
  const seenFromHere = `/proc/${await mounted(holder)}/root${mountPoint}`;
  const ballast = join(seenFromHere, 'ballast');
  return {
    wrap: (command) => [
      'nsenter',
      `--target=${holder.pid}`,
      '--user',
      '--mount',
      '--preserve-credentials',
      '/bin/sh',
      '-c',
      ENTER,
      dataFolderOf(command),
      mountPoint,
      ...command,
    ],
    fill: () => fill(ballast, seenFromHere),
    free: () => rmSync(ballast, { force: true }),
    close: async () => {
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** Why small disks cannot be made here; null when they can. */
export async function smallDiskObstacle(): Promise<string | null> {
  const { exitCode, output } = await runCommand('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return exitCode === 0 ? null : `the kernel permits no user and mount namespaces: ${output.trim()}`;
}

/**
 * Mounts the disk, then serves the server's first start: it names its data folder, whose content, made outside, moves to
 * the disk; from then on the disk stands in its place. Only the holder has the rights for that.
 */
const HOLD = `
mount -t tmpfs -o "size=$1,mode=0755" none "$0" && mkfifo "$0/wanted" && echo mounted || exit 1
read -r data < "$0/wanted"
cp -a "$data" "$0/data" && mount --bind "$0/data" "$data" && : > "$0/bound"
exec sleep infinity`;

/** Runs a server once its data folder is the disk. */
const ENTER = `
data=$0; disk=$1; shift
[ -e "$disk/bound" ] || echo "$data" > "$disk/wanted"
until [ -e "$disk/bound" ]; do sleep 0.05; done
cd "$data" && exec "$@"`;

async function mounted(holder: ChildProcess): Promise<number> {
  const { stdout, pid } = holder;
  if (stdout === null || pid === undefined) throw new Error('unshare does not run');
  await Promise.race([
    once(stdout, 'data'),
    once(holder, 'exit').then(() => {
      throw new Error('a small disk could not be mounted');
    }),
  ]);
  return pid;
}

function fill(ballast: string, disk: string): void {
  const { bavail, bsize } = statfsSync(disk);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let left = bavail * bsize; left > 0; left -= CHUNK_BYTES) {
    try {
      writeFileSync(ballast, chunk.subarray(0, Math.min(left, CHUNK_BYTES)), { flag: 'a' });
    } catch {
      // Full, which is what was wanted.
      return;
    }
  }
}
