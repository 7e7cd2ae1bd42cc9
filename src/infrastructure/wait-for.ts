import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './telemetry/logger.ts';

export interface WaitOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Told what is waited for, in words, and null when the wait is over. */
  readonly onState: (waitsFor: string | null) => void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
/** Said again at the latest after this time, so that somebody who looks at the log sees it. */
const SAY_AGAIN_AFTER_MS = 30_000;

/**
 * Tries until it works, with growing pauses, and says what it waits for: start order must not matter. Rejects only when
 * the signal aborts.
 */
export async function waitFor<T>(what: string, attempt: () => Promise<T>, options: WaitOptions): Promise<T> {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  let said = '';
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      options.signal.throwIfAborted();
      const result = await attempt();
      options.onState(null);
      return result;
    } catch (error) {
      options.signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      options.onState(`${what}: ${reason}`);
      if (reason !== said || performance.now() - saidAtMs > SAY_AGAIN_AFTER_MS) {
        options.log.warn({ waitsFor: what, reason }, 'start.waits');
        saidAtMs = performance.now();
        said = reason;
      }
      await delay(pauseMs, undefined, { signal: options.signal });
    }
  }
}
