/**
 * The breaker of one webhook: after many failures in a row it lets nothing through for a while, then one probe.
 * closed: counts failures. open: until a time. half-open needs no state of its own: once the time has passed the lane
 * has one slot, so exactly one attempt is the probe; its success closes the breaker, its failure opens it for longer.
 */
export type Breaker =
  | { readonly state: 'closed'; readonly failures: number }
  | { readonly state: 'open'; readonly failures: number; readonly untilMs: number };

/** Never opens before this many failures in a row. */
const BREAKER_THRESHOLD = 10;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

export const CLOSED_BREAKER: Breaker = { state: 'closed', failures: 0 };

/**
 * The breaker after one more failed attempt. Nothing begins while it is open, so what fails then began before: many requests
 * that time out together are one reason to open it, not many reasons to keep it open for longer.
 */
export function afterFailure(breaker: Breaker, nowMs: number): Breaker {
  if (nowMs < blockedUntilMs(breaker)) return breaker;
  const failures = breaker.failures + 1;
  if (failures < BREAKER_THRESHOLD) return { state: 'closed', failures };
  const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (failures - BREAKER_THRESHOLD), LONGEST_PAUSE_MS);
  return { state: 'open', failures, untilMs: nowMs + pauseMs };
}

/** Time until which nothing may start, epoch milliseconds; 0 when something may. */
export function blockedUntilMs(breaker: Breaker): number {
  return breaker.state === 'open' ? breaker.untilMs : 0;
}
