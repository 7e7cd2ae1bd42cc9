import { setTimeout as pause } from 'node:timers/promises';

const POLL_INTERVAL_MS = 20;

/**
 * Polls until `condition` gives something truthy and resolves with that. Fails after `timeoutMs`, with the words of the
 * last error that `condition` threw, if any.
 */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 20_000, what = 'the condition' }: { timeoutMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await condition();
      if (value) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    await pause(POLL_INTERVAL_MS);
  }
  throw new Error(`${what} did not come true within ${timeoutMs} ms`, { cause: lastError });
}
