/** How much one owner may do: a steady rate and a burst on top. */
export interface RateLimit {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** From this many owners on, those with a full bucket are forgotten: a full bucket is what a new owner gets anyway. */
const FIRST_SWEEP_AT = 10_000;

/** Token buckets by owner; `nowMs` is passed in and must not go back. */
export class TokenBuckets {
  readonly #limit: RateLimit;
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = FIRST_SWEEP_AT;

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** Takes one token: 0 when there was one, else how many milliseconds to wait for it. */
  take(owner: string, nowMs: number): number {
    const bucket = this.#refill(owner, nowMs);
    if (bucket.tokens < 1) return this.#waitMs(bucket);
    bucket.tokens -= 1;
    return 0;
  }

  /** What `take` would answer, taking nothing. */
  peek(owner: string, nowMs: number): number {
    const bucket = this.#refill(owner, nowMs);
    return bucket.tokens < 1 ? this.#waitMs(bucket) : 0;
  }

  #refill(owner: string, nowMs: number): Bucket {
    const bucket = this.#buckets.get(owner) ?? this.#open(owner, nowMs);
    const earned = (Math.max(0, nowMs - bucket.atMs) / 1000) * this.#limit.perSecond;
    bucket.tokens = Math.min(this.#limit.burst, bucket.tokens + earned);
    bucket.atMs = Math.max(bucket.atMs, nowMs);
    return bucket;
  }

  #open(owner: string, nowMs: number): Bucket {
    if (this.#buckets.size >= this.#sweepAt) this.#sweep(nowMs);
    const bucket = { tokens: this.#limit.burst, atMs: nowMs };
    this.#buckets.set(owner, bucket);
    return bucket;
  }

  #sweep(nowMs: number): void {
    const fullAfterMs = (this.#limit.burst / this.#limit.perSecond) * 1000;
    for (const [owner, bucket] of this.#buckets) {
      if (nowMs - bucket.atMs >= fullAfterMs) this.#buckets.delete(owner);
    }
    // Sweeping at every newcomer would cost a pass over all owners each time.
    this.#sweepAt = Math.max(FIRST_SWEEP_AT, 2 * this.#buckets.size);
  }

  #waitMs(bucket: Bucket): number {
    return Math.ceil(((1 - bucket.tokens) / this.#limit.perSecond) * 1000);
  }
}
