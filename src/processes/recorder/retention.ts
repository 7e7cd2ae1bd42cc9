import type { Service } from '../../infrastructure/lifecycle.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';
import { Patience } from './patience.ts';

export interface RetentionDependencies {
  /** Makes the days to come, drops those past retention, and names what it dropped. Rejects while PostgreSQL cannot be asked. */
  readonly tidyDays: () => Promise<readonly string[]>;
  readonly log: Logger;
  /** Pause between two rounds, milliseconds. */
  readonly intervalMs?: number;
}

const HOUR_MS = 3_600_000;

/** Keeps the log's days in order: at start and then hourly. */
export class Retention implements Service {
  readonly name = 'retention';
  readonly #deps: RetentionDependencies;
  readonly #patience: Patience;
  #timer: NodeJS.Timeout | null = null;
  #round: Promise<void> | null = null;
  #isStopped = false;

  constructor(deps: RetentionDependencies) {
    this.#deps = deps;
    this.#patience = new Patience(deps.log);
  }

  /** Begins the first round and does not wait for it: the recorder makes the days that it needs by itself. */
  async start(): Promise<void> {
    if (this.#timer !== null || this.#isStopped) return;
    this.#timer = setInterval(() => this.#begin(), this.#deps.intervalMs ?? HOUR_MS);
    this.#begin();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#patience.end();
    await this.#round;
  }

  #begin(): void {
    this.#round ??= this.#tidy().finally(() => {
      this.#round = null;
    });
  }

  async #tidy(): Promise<void> {
    const dropped = await this.#patience.until('PostgreSQL', this.#deps.tidyDays, () => !this.#isStopped);
    if (dropped !== null && dropped.length > 0) this.#deps.log.info({ dropped }, 'recorder.days_dropped');
  }
}
