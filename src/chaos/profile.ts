/** How big a run is: the short one for every change, the full one, and the one for the night. */
export interface Profile {
  readonly name: 'ci' | 'full' | 'nightly';
  readonly events: number;
  readonly webhooks: number;
  /** Events published per second while faults happen. */
  readonly perSecond: number;
  readonly sessionTimeoutMs: number;
  /** Faults of a row, out of those that the row wants in a full and in a nightly run. */
  faults(full: number, nightly: number): number;
  /** How long a lasting fault lasts, out of what a full run takes. */
  lasting(fullMs: number): number;
}

const SHORT_FAULT_MS = 10_000;
const SHORT_FAULTS = 2;
const SESSION_TIMEOUT_MS = 6_000;

export const PROFILES: Readonly<Record<Profile['name'], Profile>> = {
  ci: {
    name: 'ci',
    events: 1_000,
    webhooks: 3,
    perSecond: 50,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    faults: (full) => Math.min(full, SHORT_FAULTS),
    lasting: (fullMs) => Math.min(fullMs, SHORT_FAULT_MS),
  },
  full: {
    name: 'full',
    events: 5_000,
    webhooks: 3,
    perSecond: 50,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    faults: (full) => full,
    lasting: (fullMs) => fullMs,
  },
  nightly: {
    name: 'nightly',
    events: 200_000,
    webhooks: 10,
    perSecond: 50,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    faults: (_, nightly) => nightly,
    lasting: (fullMs) => fullMs,
  },
};

/** Requests of a delivery process that are younger than a second, and that are older. */
export const YOUNG_REQUESTS = 64;
export const SLOW_REQUESTS = 64;
/** Resolved records whose commit may be lost with a process. */
export const MAX_UNCOMMITTED = 200;
/** Requests in flight per delivery process. */
export const IN_FLIGHT = YOUNG_REQUESTS + SLOW_REQUESTS;
/** What one kill of a delivery process may repeat at the most. */
export const REPEATS_PER_KILL = IN_FLIGHT + MAX_UNCOMMITTED;
/** Events that the router may have routed without a commit: when as many are uncommitted it commits at once. */
export const ROUTER_UNCOMMITTED = 500;
/** Short delays, so that a run sees several attempts; eight attempts, the last one some 40 s after the first. */
export const RETRY_SCHEDULE = '1s,2s,5s,10s,10s,10s,10s';
export const RETRY_JITTER = 0.2;
