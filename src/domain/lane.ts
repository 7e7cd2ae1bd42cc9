import { type Breaker, CLOSED_BREAKER } from './breaker.ts';
import { Fifo } from './fifo.ts';

/** What the lanes need to know of the work they order. */
export interface LaneWork {
  /** When it came into this process, epoch milliseconds. */
  readonly receivedAtMs: number;
}

/** The in-memory queue of one webhook, with what its receiver has shown of itself lately. */
export interface Lane<W extends LaneWork> {
  readonly webhookId: string;
  readonly queue: Fifo<W>;
  /** How many requests may run at once: one to start with, one more per success, back to one on a failure. */
  slots: number;
  /** Running requests younger than the slow limit. */
  young: number;
  /** Running requests older than it. */
  slow: number;
  breaker: Breaker;
  /** When it first failed after its last success, epoch milliseconds; null = it has not failed since. */
  failingSinceMs: number | null;
  /** Nothing starts before this time, epoch milliseconds: breaker or a receiver's Retry-After. */
  heldUntilMs: number;
  /** Whether it stands in the round of lanes that may start something. */
  inRound: boolean;
  lastUsedMs: number;
}

export function createLane<W extends LaneWork>(webhookId: string, nowMs: number): Lane<W> {
  return {
    webhookId,
    queue: new Fifo<W>(),
    slots: 1,
    young: 0,
    slow: 0,
    breaker: CLOSED_BREAKER,
    failingSinceMs: null,
    heldUntilMs: 0,
    inRound: false,
    lastUsedMs: nowMs,
  };
}

export function running(lane: Lane<LaneWork>): number {
  return lane.young + lane.slow;
}
