import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { ensureDatabases, probeDatabase } from '../infrastructure/postgres/server-admin.ts';
import { LOCAL_HOST, portFor, retryTakenPorts } from './free-port.ts';
import type { Tuning } from './java.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { runCommand } from './run-command.ts';
import type { ServerPlace } from './server-place.ts';
import { type RunningServer, startServerProcess } from './server-process.ts';
import { type Account, canEnter, firstReachable, unprivilegedAccount } from './unprivileged-account.ts';

const READY_TIMEOUT_MS = 30_000;
const SUPERUSER = 'postgres';
/** For data that root keeps, where the unprivileged account cannot enter the data folder. */
const REACHABLE_BASES = ['/var/lib/posthorn', '/var/tmp/posthorn'];

/** What the product logs in with: no superuser, so that it can do on this machine only what databases are for. */
export const PRODUCT_ROLE = { role: 'posthorn', password: 'posthorn' };
const PRODUCT_DATABASE = 'posthorn';
export const REGISTRY_DATABASE = 'apicurio';

export interface PostgresOptions {
  readonly wantedPort?: number | undefined;
  readonly tuned: Tuning;
}

/** Starts PostgreSQL on `wantedPort`, or on a free port, with the databases of the product and the registry in it. */
export async function startPostgres(place: ServerPlace, options: PostgresOptions): Promise<RunningServer> {
  const account = unprivilegedAccount();
  const binaries = await postgresBinaries(account, place);
  const dataFolder = dataFolderFor(account, place);
  const password = superuserPassword(place.dataDir);
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) await initialise({ binaries, dataFolder, password, account });
  // We hold the lock of this place and have ended what an earlier run left: whatever this file says is past.
  rmSync(join(dataFolder, 'postmaster.pid'), { force: true });
  return await retryTakenPorts(async () => {
    const port = await portFor(options.wantedPort);
    return await launch({ binaries, dataFolder, password, account, place, port, tuned: options.tuned });
  });
}

/** Where the product finds its database. */
export function databaseUrl(port: number, database: string = PRODUCT_DATABASE): string {
  return `postgres://${PRODUCT_ROLE.role}:${PRODUCT_ROLE.password}@${LOCAL_HOST}:${port}/${database}`;
}

interface Cluster {
  readonly binaries: string;
  readonly dataFolder: string;
  /** The superuser's, never the product's. */
  readonly password: string;
  readonly account: Account | undefined;
}

async function launch(cluster: Cluster & { place: ServerPlace; port: number; tuned: Tuning }): Promise<RunningServer> {
  const { binaries, dataFolder, account, place, port, password } = cluster;
  const process = await startServerProcess({
    name: 'postgres',
    command: join(binaries, 'bin', 'postgres'),
    args: ['-D', dataFolder, ...settingsOf(cluster)],
    logFile: join(place.logFolder, 'postgres.log'),
    place,
    // Both end all sessions at once; QUIT also spares the final checkpoint, KILL would leave shared memory behind.
    stopSignal: place.ephemeral ? 'QUIT' : 'INT',
    cwd: dataFolder,
    account,
  });
  const url = `postgres://${SUPERUSER}:${password}@${LOCAL_HOST}:${port}/postgres`;
  try {
    await process.waitUntilReady(() => probeDatabase(url), READY_TIMEOUT_MS);
    await ensureDatabases(url, PRODUCT_ROLE, [PRODUCT_DATABASE, REGISTRY_DATABASE]);
  } catch (error) {
    await process.stop(0);
    throw error;
  }
  return { process, port };
}

function settingsOf({ place, port, tuned }: { place: ServerPlace; port: number; tuned: Tuning }): string[] {
  const settings = {
    port,
    listen_addresses: LOCAL_HOST,
    unix_socket_directories: '',
    max_connections: 300,
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(tuned === 'bench' ? { shared_buffers: '512MB', max_wal_size: '4GB' } : {}),
    // Data that goes with the servers need not survive a power cut.
    ...(place.ephemeral && tuned === 'test'
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : {}),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * The folder of the database. Root gives it to the unprivileged account; where that account cannot reach the data folder
 * (below /root, for instance) it lies elsewhere, and a file in the data folder says where.
 */
function dataFolderFor(account: Account | undefined, place: ServerPlace): string {
  const inPlace = join(place.dataDir, 'postgres');
  if (account === undefined || existsSync(inPlace)) return inPlace;
  const note = join(place.dataDir, 'postgres-folder');
  if (existsSync(note)) return join(readFileSync(note, 'utf8').trim(), 'postgres');
  if (canEnter(place.dataDir)) return inPlace;
  const folder = mkdtempSync(join(firstReachable(REACHABLE_BASES), 'postgres-'));
  chownSync(folder, account.uid, account.gid);
  writeFileSync(note, folder, { mode: 0o600 });
  return join(folder, 'postgres');
}

function superuserPassword(dataDir: string): string {
  const file = join(dataDir, 'postgres-password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

async function initialise({ binaries, dataFolder, password, account }: Cluster): Promise<void> {
  // Initialised beside its place and then moved, so that an interrupted initdb leaves nothing that looks finished.
  const draft = `${dataFolder}.draft`;
  const passwordFile = `${dataFolder}.password`;
  for (const leftover of [draft, dataFolder]) rmSync(leftover, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700, recursive: true });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account !== undefined) {
    for (const path of [draft, passwordFile]) chownSync(path, account.uid, account.gid);
  }
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const login = [`--username=${SUPERUSER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const args = ['-D', draft, ...login, ...locale, '--no-sync', '--no-instructions'];
  const { exitCode, output } = await runCommand(join(binaries, 'bin', 'initdb'), args, { account });
  rmSync(passwordFile, { force: true });
  if (exitCode !== 0) throw new AppError('unavailable', `cannot create a database folder in ${draft}:\n${output}`);
  renameSync(draft, dataFolder);
}
