import { afterFailure, blockedUntilMs, CLOSED_BREAKER } from './breaker.ts';
import { Fifo } from './fifo.ts';
import { createLane, type Lane, type LaneWork, running } from './lane.ts';

/** The limits that keep receivers from hurting each other. */
export interface LaneLimits {
  /** Requests younger than the slow limit, over all webhooks. */
  readonly youngRequests: number;
  /** Requests older than it, over all webhooks; when used up, lanes that have one start nothing new. */
  readonly slowRequests: number;
  /** Ceiling of requests at once for one webhook. */
  readonly requestsPerWebhook: number;
}

/** How an attempt ended, as far as its lane is concerned. */
export type LaneResult =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed' }
  /** The receiver asked for a pause. */
  | { readonly kind: 'throttled'; readonly untilMs: number }
  /** No request was made, so nothing was learnt. */
  | { readonly kind: 'skipped' };

/** Idle lanes are forgotten after this time: a returning webhook starts with one slot again. */
const FORGET_AFTER_MS = 300_000;
/** Failing ones later: they are asked some minutes apart, and for how long they have failed must not be forgotten. */
const FORGET_FAILING_AFTER_MS = 900_000;

/**
 * Says which waiting work may start now. Lanes take turns (one start each per round), so a busy webhook gets no more
 * turns than a quiet one; a webhook's slots follow what its receiver does, so a dead one holds one slot.
 */
export class Lanes<W extends LaneWork> {
  readonly #lanes = new Map<string, Lane<W>>();
  readonly #round = new Fifo<Lane<W>>();
  /** Lanes that wait for the slow budget. */
  readonly #overBudget = new Set<Lane<W>>();
  readonly #held = new Set<Lane<W>>();
  #youngCount = 0;
  #slowCount = 0;
  #queuedCount = 0;
  readonly #limits: LaneLimits;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  get young(): number {
    return this.#youngCount;
  }

  get slow(): number {
    return this.#slowCount;
  }

  get queued(): number {
    return this.#queuedCount;
  }

  get size(): number {
    return this.#lanes.size;
  }

  all(): Iterable<Lane<W>> {
    return this.#lanes.values();
  }

  /** Puts work at the end of its webhook's lane. */
  add(webhookId: string, work: W, nowMs: number): void {
    let lane = this.#lanes.get(webhookId);
    if (lane === undefined) {
      lane = createLane<W>(webhookId, nowMs);
      this.#lanes.set(webhookId, lane);
    }
    lane.lastUsedMs = nowMs;
    lane.queue.push(work);
    this.#queuedCount += 1;
    this.#enter(lane, nowMs);
  }

  /** Takes the next work that may start and counts it as running; null when nothing may. */
  next(nowMs: number): { lane: Lane<W>; work: W } | null {
    while (this.#youngCount < this.#limits.youngRequests) {
      const lane = this.#round.shift();
      if (lane === undefined) return null;
      lane.inRound = false;
      if (!this.#mayStart(lane, nowMs)) continue;
      const work = lane.queue.shift();
      if (work === undefined) continue;
      this.#queuedCount -= 1;
      lane.young += 1;
      this.#youngCount += 1;
      this.#enter(lane, nowMs);
      return { lane, work };
    }
    return null;
  }

  /** A running request has passed the slow limit: it leaves the global limit and counts in the slow budget. */
  becameSlow(lane: Lane<W>): void {
    lane.young -= 1;
    this.#youngCount -= 1;
    lane.slow += 1;
    this.#slowCount += 1;
  }

  /** A running request has ended. `wasSlow` says in which of the two counts it stood. */
  finished(lane: Lane<W>, wasSlow: boolean, result: LaneResult, nowMs: number): void {
    if (wasSlow) {
      lane.slow -= 1;
      this.#slowCount -= 1;
    } else {
      lane.young -= 1;
      this.#youngCount -= 1;
    }
    lane.lastUsedMs = nowMs;
    this.#learn(lane, result, nowMs);
    this.#enter(lane, nowMs);
    if (this.#slowCount < this.#limits.slowRequests) this.#readmit(this.#overBudget, nowMs);
  }

  /** Lets lanes go on whose pause is over, and forgets idle ones. Call it a few times a second. */
  tick(nowMs: number): void {
    for (const lane of this.#held) {
      if (lane.heldUntilMs > nowMs) continue;
      this.#held.delete(lane);
      this.#enter(lane, nowMs);
    }
  }

  /** Forgets lanes without work that nobody used for a while. */
  forgetIdle(nowMs: number): void {
    for (const lane of this.#lanes.values()) {
      const idle = lane.queue.length === 0 && running(lane) === 0 && lane.heldUntilMs <= nowMs;
      const forgetAfterMs = lane.failingSinceMs === null ? FORGET_AFTER_MS : FORGET_FAILING_AFTER_MS;
      if (idle && nowMs - lane.lastUsedMs > forgetAfterMs) this.#lanes.delete(lane.webhookId);
    }
  }

  /** Takes waiting work out of a lane without starting it. */
  extract(lane: Lane<W>, wanted: (work: W) => boolean): W[] {
    const taken = lane.queue.extract(wanted);
    this.#queuedCount -= taken.length;
    return taken;
  }

  /** Lets a webhook start afresh: its owner changed it, so what was learnt of it is out of date. */
  reset(webhookId: string, nowMs: number): void {
    const lane = this.#lanes.get(webhookId);
    if (lane === undefined) return;
    lane.breaker = CLOSED_BREAKER;
    lane.failingSinceMs = null;
    lane.heldUntilMs = 0;
    this.#held.delete(lane);
    this.#enter(lane, nowMs);
  }

  #learn(lane: Lane<W>, result: LaneResult, nowMs: number): void {
    switch (result.kind) {
      case 'succeeded':
        lane.breaker = CLOSED_BREAKER;
        lane.failingSinceMs = null;
        lane.slots = Math.min(lane.slots + 1, this.#limits.requestsPerWebhook);
        return;
      case 'failed':
        lane.slots = 1;
        lane.failingSinceMs ??= nowMs;
        lane.breaker = afterFailure(lane.breaker, nowMs);
        this.#hold(lane, blockedUntilMs(lane.breaker));
        return;
      case 'throttled':
        lane.slots = 1;
        lane.failingSinceMs ??= nowMs;
        this.#hold(lane, result.untilMs);
        return;
      case 'skipped':
        return;
    }
  }

  #hold(lane: Lane<W>, untilMs: number): void {
    if (untilMs <= lane.heldUntilMs) return;
    lane.heldUntilMs = untilMs;
    this.#held.add(lane);
  }

  #enter(lane: Lane<W>, nowMs: number): void {
    if (lane.inRound || !this.#mayStart(lane, nowMs)) return;
    lane.inRound = true;
    this.#round.push(lane);
  }

  #mayStart(lane: Lane<W>, nowMs: number): boolean {
    if (lane.queue.length === 0 || running(lane) >= lane.slots || lane.heldUntilMs > nowMs) return false;
    if (lane.slow === 0 || this.#slowCount < this.#limits.slowRequests) return true;
    this.#overBudget.add(lane);
    return false;
  }

  #readmit(lanes: Set<Lane<W>>, nowMs: number): void {
    if (lanes.size === 0) return;
    const waiting = [...lanes];
    lanes.clear();
    for (const lane of waiting) this.#enter(lane, nowMs);
  }
}
