import { createHash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCached } from './download-cache.ts';
import type { ClassArchive, Java } from './java.ts';
import type { CachePlace } from './server-place.ts';

export interface ArchiveOptions {
  readonly name: string;
  readonly java: Java;
  readonly place: CachePlace;
  /** Starts and stops the server once with the archive given; the JVM writes the file when it ends. */
  readonly train: (archive: ClassArchive) => Promise<void>;
}

/** The class archive of a server for this Java, made by one training run. `undefined` when this JVM cannot make one. */
export async function classArchiveFor(options: ArchiveOptions): Promise<ClassArchive | undefined> {
  const { name, java, place, train } = options;
  const folder = join(place.cacheDir, 'classes');
  mkdirSync(folder, { recursive: true });
  const javaHash = createHash('sha256').update(java.version).digest('hex').slice(0, 12);
  const file = join(folder, `${name}-${javaHash}.jsa`);
  const fill = async (draft: string) => {
    place.progress(`preparing ${name} for fast starts, once`);
    await train({ file: draft, mode: 'write' });
  };
  try {
    await ensureCached({ path: file, what: `the classes of ${name}`, lockName: name, fill }, place);
  } catch (error) {
    place.signal?.throwIfAborted();
    place.progress(`${name} will start more slowly: ${error instanceof Error ? error.message : String(error)}`);
  }
  return existsSync(file) ? { file, mode: 'read' } : undefined;
}
