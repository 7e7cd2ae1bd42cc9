import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../infrastructure/lifecycle.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';
import type { ReadinessCheck } from './ops-server.ts';

/** A server that this process needs. */
export interface Dependency {
  readonly name: string;
  /** Resolves when it answers. */
  readonly ask: () => Promise<void>;
}

export interface DependencyWatchOptions {
  readonly dependencies: readonly Dependency[];
  readonly log: Logger;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

interface State {
  readonly dependency: Dependency;
  hasAnswered: boolean;
  failures: number;
  problem: string;
}

const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 3_000;
/** After a failure it is asked again soon: one failure says little, this many in a row count. */
const SOON_MS = 500;
const FAILURES_THAT_COUNT = 2;
/** How long a stop waits for a question that is under way. */
const STOP_MS = 1_000;

/** Asks every dependency now and then whether it is there. Only tells: whoever needs one waits for it in its own way. */
export class DependencyWatch implements Service {
  readonly name = 'dependency watch';
  readonly #options: DependencyWatchOptions;
  readonly #states: readonly State[];
  readonly #stopped = new AbortController();
  #running: Promise<unknown> | null = null;

  constructor(options: DependencyWatchOptions) {
    this.#options = options;
    this.#states = options.dependencies.map((dependency) => ({
      dependency,
      hasAnswered: false,
      failures: 0,
      problem: 'not asked yet',
    }));
  }

  /** One per dependency, for `/readyz`. */
  get checks(): readonly ReadinessCheck[] {
    return this.#states.map((state) => ({
      name: state.dependency.name,
      check: () => (isUp(state) ? null : state.problem),
    }));
  }

  /** Which of them answer. */
  states(): { readonly name: string; readonly isUp: boolean }[] {
    return this.#states.map((state) => ({ name: state.dependency.name, isUp: isUp(state) }));
  }

  async start(): Promise<void> {
    this.#running ??= Promise.all(this.#states.map((state) => this.#follow(state)));
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.race([this.#running, delay(STOP_MS, undefined, { ref: false })]);
  }

  async #follow(state: State): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#ask(state);
      const pauseMs = state.failures > 0 ? SOON_MS : (this.#options.intervalMs ?? INTERVAL_MS);
      // Aborted is the one way in which it rejects, and the loop sees that.
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Asks once and no second time before the first question has its answer, however late that is. */
  async #ask(state: State): Promise<void> {
    const asking = state.dependency.ask();
    const timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS;
    // Silence fails again and again: there may never be an answer.
    const timer = setInterval(() => this.#failed(state, 'does not answer in time'), timeoutMs);
    this.#stopped.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
    try {
      await asking;
      this.#answered(state);
    } catch (error) {
      this.#failed(state, error instanceof Error ? error.message : String(error));
    } finally {
      clearInterval(timer);
    }
  }

  #answered(state: State): void {
    if (state.failures >= FAILURES_THAT_COUNT) {
      this.#options.log.info({ dependency: state.dependency.name }, 'dependency.back');
    }
    state.hasAnswered = true;
    state.failures = 0;
  }

  #failed(state: State, problem: string): void {
    if (this.#stopped.signal.aborted) return;
    state.failures += 1;
    state.problem = problem;
    if (state.failures !== FAILURES_THAT_COUNT) return;
    this.#options.log.warn({ dependency: state.dependency.name, problem }, 'dependency.lost');
  }
}

function isUp({ hasAnswered, failures }: State): boolean {
  return hasAnswered && failures < FAILURES_THAT_COUNT;
}
