import type { Progress } from './progress.ts';
import type { Launcher } from './server-process.ts';

/** Where downloads are kept, and who wants to know of them. */
export interface CachePlace {
  /** Shared by all checkouts of this account. */
  readonly cacheDir: string;
  readonly progress: Progress;
  /** Ends a download that is under way. */
  readonly signal?: AbortSignal | undefined;
}

/** Where one set of servers lives on this machine, and who looks after it. */
export interface ServerPlace extends CachePlace, Launcher {
  /** The servers' data; ours alone. */
  readonly dataDir: string;
  readonly logFolder: string;
  readonly temporaryFolder: string;
  /** The data goes with the servers, so they may be stopped the quickest way. */
  readonly ephemeral: boolean;
}
