import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** Tries until a dependency answers, and says meanwhile what it waits for. */
export class Patience {
  readonly #log: Logger;
  readonly #ended = new AbortController();
  readonly #waiting = new Map<object, string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The names of what is being waited for. */
  get waitingFor(): readonly string[] {
    return [...new Set(this.#waiting.values())];
  }

  /** The answer; null when it is not wanted any more, or patience ended (`end`) and one more try failed. */
  async until<T>(name: string, ask: () => T | Promise<T>, isWanted: () => boolean = () => true): Promise<T | null> {
    const call = {};
    let pauseMs = FIRST_PAUSE_MS;
    while (isWanted()) {
      const isLast = this.#ended.signal.aborted;
      try {
        const answer = await ask();
        this.#waiting.delete(call);
        return answer;
      } catch (error) {
        this.#waiting.set(call, name);
        this.#log.warn({ waitingFor: name, error: describe(error), pauseMs }, 'recorder.waiting');
      }
      if (isLast) break;
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
    this.#waiting.delete(call);
    return null;
  }

  /** From now on each call tries once more and then gives up. */
  end(): void {
    this.#ended.abort();
  }

  async #pause(pauseMs: number): Promise<void> {
    try {
      await delay(pauseMs, undefined, { signal: this.#ended.signal });
    } catch {
      // Patience ended: one more try follows at once.
    }
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return String(error) + cause;
}
