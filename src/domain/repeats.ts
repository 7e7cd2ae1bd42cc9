/** How far a delivery has come: later attempts and later rewrites of one attempt count as further. */
export interface DeliveryStep {
  readonly deliveryId: string;
  readonly attempt: number;
  readonly rewrites: number;
}

/**
 * What a record that arrives is to those that arrived before it.
 * `fresh`: handle it. `settled`: the same step has an outcome in the log, so the record says nothing new. `running`: the
 * same step is being handled right now; it may be dropped once that has its outcome in the log.
 */
export type Repeat = 'fresh' | 'settled' | 'running';

/** More rewrites of one attempt than the rules allow in a year. */
const STEPS_PER_ATTEMPT = 10_000;

/**
 * Recognises records that come again: a producer's resend, a router that crashed before its commit, a fetch after a
 * rebalance. Remembers the last `capacity` settled deliveries. What it does not remember is delivered again, never lost.
 */
export class Repeats {
  readonly #capacity: number;
  readonly #settled = new Map<string, number>();
  readonly #running = new Map<string, number>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  judge(step: DeliveryStep): Repeat {
    const { deliveryId } = step;
    const rank = rankOf(step);
    if ((this.#settled.get(deliveryId) ?? -1) >= rank) return 'settled';
    return (this.#running.get(deliveryId) ?? -1) >= rank ? 'running' : 'fresh';
  }

  /** The step is being handled. */
  begin(step: DeliveryStep): void {
    this.#running.set(step.deliveryId, rankOf(step));
  }

  /** The step has its outcome in the log; an accepted delivery has no further steps. */
  settle(step: DeliveryStep, isAccepted: boolean): void {
    const { deliveryId } = step;
    const rank = isAccepted ? Number.POSITIVE_INFINITY : rankOf(step);
    // A later step may have begun or ended meanwhile; this one says nothing of it.
    if ((this.#running.get(deliveryId) ?? -1) <= rank) this.#running.delete(deliveryId);
    const settled = Math.max(rank, this.#settled.get(deliveryId) ?? -1);
    this.#settled.delete(deliveryId);
    this.#settled.set(deliveryId, settled);
    if (this.#settled.size <= this.#capacity) return;
    const [oldest] = this.#settled.keys();
    if (oldest !== undefined) this.#settled.delete(oldest);
  }

  /** The step is no longer handled here and has no outcome. */
  abandon(step: DeliveryStep): void {
    if (this.#running.get(step.deliveryId) === rankOf(step)) this.#running.delete(step.deliveryId);
  }

  get size(): number {
    return this.#settled.size;
  }
}

function rankOf({ attempt, rewrites }: DeliveryStep): number {
  return attempt * STEPS_PER_ATTEMPT + Math.min(rewrites, STEPS_PER_ATTEMPT - 1);
}
