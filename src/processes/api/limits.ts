import { type RateLimit, TokenBuckets } from '../../domain/token-bucket.ts';
import { type Problem, tooMany } from './problem.ts';

/** How much one tenant may do. Rates count per process. */
export interface ApiLimits {
  readonly requests: RateLimit;
  readonly testDeliveries: RateLimit;
  readonly webhooks: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  requests: { burst: 500, perSecond: 100 },
  testDeliveries: { burst: 20, perSecond: 30 / 60 },
  webhooks: 10_000,
};

/** One tenant's allowance of one thing. */
export interface Limiter {
  /** Uses one up; a 429 when there is none. */
  take(tenantId: string): Problem | null;
  /** A 429 when there is none; uses nothing up. */
  peek(tenantId: string): Problem | null;
}

/** `nowMs` is a clock that never goes back. */
export function createLimiter(limit: RateLimit, what: string, nowMs: () => number): Limiter {
  const buckets = new TokenBuckets(limit);
  const judge = (waitMs: number) =>
    waitMs === 0 ? null : tooMany('rate_limited', `Too many ${what}; slow down.`, waitMs);
  return {
    take: (tenantId) => judge(buckets.take(tenantId, nowMs())),
    peek: (tenantId) => judge(buckets.peek(tenantId, nowMs())),
  };
}
