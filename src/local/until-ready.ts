import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../domain/errors.ts';

const POLL_INTERVAL_MS = 25;

export interface ReadinessOptions {
  /** For people: what is waited for. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Called after every failed probe; throws when waiting has become pointless. */
  readonly giveUp: () => void;
}

/** Probes until it succeeds. Throws `unavailable` with the last failure when `timeoutMs` is over. */
export async function untilReady(probe: () => Promise<void>, options: ReadinessOptions): Promise<void> {
  const { what, timeoutMs, giveUp } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const failure = await failureOf(probe);
    if (failure === undefined) return;
    giveUp();
    if (performance.now() > deadline) {
      const message = `${what} does not answer after ${timeoutMs / 1000} s: ${failure.message}`;
      throw new AppError('unavailable', message, { cause: failure });
    }
    await pause(POLL_INTERVAL_MS);
  }
}

async function failureOf(probe: () => Promise<void>): Promise<Error | undefined> {
  try {
    await probe();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
