import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Tells other programs that all of it serves, and where. */
export interface ReadyFile {
  write(content: Readonly<Record<string, unknown>>): void;
  remove(): void;
}

/** What `infra` writes; `up` adds to it. */
export interface InfraReady {
  readonly kafkaBrokers: string;
  readonly schemaRegistryUrl: string;
  readonly databaseUrl: string;
  readonly secretKeys: string;
  readonly pids: Readonly<Record<string, readonly number[]>>;
}

/** Opens the ready file: one from an earlier run goes at once. Without a path, nothing is ever written. */
export function openReadyFile(path: string | undefined): ReadyFile {
  if (path === undefined) return { write: () => undefined, remove: () => undefined };
  const remove = () => rmSync(path, { force: true });
  remove();
  return { write: (content) => writeFileAtomically(path, `${JSON.stringify(content, null, 2)}\n`), remove };
}

/** Writes a file (mode 600) so that a reader sees nothing or all of it. */
export function writeFileAtomically(path: string, content: string): void {
  const draft = join(dirname(resolve(path)), `.${randomBytes(6).toString('hex')}.draft`);
  writeFileSync(draft, content, { mode: 0o600 });
  renameSync(draft, path);
}
