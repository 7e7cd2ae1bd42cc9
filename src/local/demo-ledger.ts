import type { Verdict } from './verifier.ts';

/** One request that arrived at the demo's receiver, and the answer that it got. */
export interface DemoArrival {
  /** `webhook-id`. */
  readonly eventId: string | null;
  readonly type: string;
  /** Name of the demo's webhook, or the path of somebody else's. */
  readonly webhook: string;
  /** False for webhooks that the demo did not make: nobody here knows their secret. */
  readonly isOurs: boolean;
  readonly attempt: number;
  readonly status: number;
  /** From the event to its arrival, milliseconds; null when the body names no time. */
  readonly latencyMs: number | null;
  readonly verified: Verdict;
}

/** A delivery that should come: one event at one webhook. */
export interface ExpectedDelivery {
  readonly eventId: string;
  readonly type: string;
  readonly webhook: string;
}

/** What the demo has seen so far. */
export interface DemoTotals {
  readonly events: number;
  /** Expected deliveries that were accepted. */
  readonly deliveries: number;
  /** Attempts whose signature was right, and those whose was not. */
  readonly verified: number;
  readonly refused: number;
  /** Attempts after the first one. */
  readonly retries: number;
  /** Deliveries that came again after they had been accepted. */
  readonly repeats: number;
  /** From event to arrival of first attempts, milliseconds; null before the first. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

/** How many accepted deliveries are remembered to tell a repeat, and how many latencies the percentiles look at. */
const REMEMBERED = 10_000;

/** Compares what should arrive with what does. Its memory does not grow with time. */
export class DemoLedger {
  readonly #outstanding = new Map<string, ExpectedDelivery>();
  readonly #accepted = new Set<string>();
  readonly #latenciesMs: number[] = [];
  readonly #unexpected: DemoArrival[] = [];
  readonly #settled = Promise.withResolvers<void>();
  #totals = { events: 0, deliveries: 0, verified: 0, refused: 0, retries: 0, repeats: 0 };

  /** Says before an event is published where it should arrive. */
  expect(event: { readonly id: string; readonly type: string }, webhooks: readonly string[]): void {
    this.#totals.events += 1;
    for (const webhook of webhooks) {
      const expected = { eventId: event.id, type: event.type, webhook };
      this.#outstanding.set(keyOf(expected), expected);
    }
  }

  note(arrival: DemoArrival): void {
    if (!arrival.isOurs || arrival.eventId === null || arrival.type === 'test') return;
    if (arrival.verified === 'verified') this.#totals.verified += 1;
    else this.#totals.refused += 1;
    if (arrival.attempt > 1) this.#totals.retries += 1;
    else if (arrival.latencyMs !== null) remember(this.#latenciesMs, arrival.latencyMs);
    this.#settle(keyOf({ ...arrival, eventId: arrival.eventId }), arrival);
  }

  #settle(key: string, arrival: DemoArrival): void {
    if (this.#accepted.has(key)) {
      this.#totals.repeats += 1;
    } else if (!this.#outstanding.has(key)) {
      remember(this.#unexpected, arrival);
    } else if (arrival.status < 300) {
      this.#outstanding.delete(key);
      this.#totals.deliveries += 1;
      this.#accepted.add(key);
      const [oldest] = this.#accepted;
      if (this.#accepted.size > REMEMBERED && oldest !== undefined) this.#accepted.delete(oldest);
      if (this.#outstanding.size === 0) this.#settled.resolve();
    }
  }

  /** Resolves when everything that was expected has been accepted for the first time. */
  untilSettled(): Promise<void> {
    return this.#settled.promise;
  }

  /** What should have arrived and has not been accepted. */
  missing(): readonly ExpectedDelivery[] {
    return [...this.#outstanding.values()];
  }

  /** What arrived at a webhook that did not ask for it. */
  unexpected(): readonly DemoArrival[] {
    return this.#unexpected;
  }

  totals(): DemoTotals {
    const sorted = this.#latenciesMs.toSorted((left, right) => left - right);
    return { ...this.#totals, p50Ms: percentile(sorted, 0.5), p95Ms: percentile(sorted, 0.95) };
  }

  /** All of it arrived, nothing else did, and every signature was right. */
  isFlawless(): boolean {
    const { deliveries, refused } = this.#totals;
    return deliveries > 0 && refused === 0 && this.#outstanding.size === 0 && this.#unexpected.length === 0;
  }
}

function keyOf({ eventId, type, webhook }: ExpectedDelivery): string {
  return JSON.stringify([eventId, type, webhook]);
}

function remember<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > REMEMBERED) list.shift();
}

/** Nearest rank. */
function percentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}
