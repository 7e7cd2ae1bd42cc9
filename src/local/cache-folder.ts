import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where downloads are kept, outside any checkout: the XDG cache folder of this account. */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment['XDG_CACHE_HOME'];
  // The XDG specification says that a relative path is to be ignored.
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'posthorn');
}
