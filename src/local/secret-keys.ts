import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from './ready-file.ts';

const KEY_BYTES = 32;

/**
 * The keys that encrypt secrets in the database of this data folder, as `POSTHORN_SECRET_KEYS` takes them. Made once and
 * kept beside the data (mode 600): without them the secrets in it are lost.
 */
export function secretKeysIn(dataDir: string): string {
  const file = join(dataDir, 'secret-keys');
  if (!existsSync(file)) writeFileAtomically(file, `local:${randomBytes(KEY_BYTES).toString('base64')}\n`);
  return readFileSync(file, 'utf8').trim();
}
