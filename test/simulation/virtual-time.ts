import { syncBuiltinESMExports } from 'node:module';
import timersPromises from 'node:timers/promises';

/** A process of the simulation: what it started must not go on after its death, and waits while it is frozen. */
export interface Owner {
  readonly isAlive: boolean;
  readonly frozenUntilMs: number;
}

/** One thing that will happen. Also what `setTimeout` and its like return here. */
class Event {
  readonly owner: Owner | null;
  readonly everyMs: number;
  atMs: number;
  order = 0;
  run: (() => void) | null;

  constructor(atMs: number, run: () => void, { owner, everyMs }: { owner: Owner | null; everyMs: number }) {
    this.atMs = atMs;
    this.run = run;
    this.owner = owner;
    this.everyMs = everyMs;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

const START_MS = Date.UTC(2026, 0, 1);

/**
 * Time that passes only when nothing is left to do at the present moment. Runs one event after the other, each with all
 * promises that it settles, in an order that depends on nothing but the scenario. While installed it stands in for the
 * clock and the timers of the runtime, so that the product's code runs as it is.
 */
export class VirtualTime {
  nowMs = START_MS;
  /** Whose event runs now: what is scheduled meanwhile belongs to it. */
  current: Owner | null = null;
  eventCount = 0;
  #order = 0;
  readonly #heap: Event[] = [];
  readonly #failed: (error: unknown) => void;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  get elapsedMs(): number {
    return this.nowMs - START_MS;
  }

  atElapsed(elapsedMs: number): number {
    return START_MS + elapsedMs;
  }

  schedule(delayMs: number, run: () => void, owner: Owner | null = this.current): Event {
    return this.#push(new Event(this.nowMs + Math.max(0, delayMs), run, { owner, everyMs: 0 }));
  }

  repeat(everyMs: number, run: () => void): Event {
    return this.#push(new Event(this.nowMs + everyMs, run, { owner: this.current, everyMs }));
  }

  delay(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(delayMs, resolve));
  }

  /** Runs the next event; false when there is none. */
  async step(): Promise<boolean> {
    const event = this.#pop();
    if (event === null) return false;
    const { owner, run } = event;
    if (run === null || owner?.isAlive === false) return true;
    this.nowMs = Math.max(this.nowMs, event.atMs);
    if (owner !== null && owner.frozenUntilMs > this.nowMs) {
      event.atMs = owner.frozenUntilMs;
      this.#push(event);
      return true;
    }
    this.eventCount += 1;
    this.current = owner;
    const before = this.#order;
    try {
      run();
    } catch (error) {
      this.#failed(error);
    }
    // A tick that began nothing leaves nothing to settle.
    if (event.everyMs === 0 || this.#order !== before) await settled();
    this.current = null;
    if (event.everyMs > 0 && event.run !== null) {
      event.atMs = this.nowMs + event.everyMs;
      this.#push(event);
    }
    return true;
  }

  /** The time of the next event that is not a tick; null when there are only ticks. */
  nextDecisiveMs(): number | null {
    let nextMs: number | null = null;
    for (const { everyMs, atMs, run, owner } of this.#heap) {
      if (everyMs > 0 || run === null || owner?.isAlive === false) continue;
      if (nextMs === null || atMs < nextMs) nextMs = atMs;
    }
    return nextMs;
  }

  /** How many ticks of these owners go on. */
  ticking(owners: readonly Owner[]): number {
    return this.#heap.filter(
      ({ owner, everyMs, run }) => everyMs > 0 && run !== null && owners.some((one) => one === owner),
    ).length;
  }

  /** Lets time pass without the ticks in between: for when it is known that none of them would do anything. */
  leapTo(untilMs: number): void {
    const events = this.#heap.splice(0);
    for (const event of events) {
      if (event.everyMs > 0 && event.atMs < untilMs) {
        event.atMs += Math.ceil((untilMs - event.atMs) / event.everyMs) * event.everyMs;
      }
      this.#insert(event);
    }
  }

  /** Takes the place of the runtime's clock and timers until the returned function is called. */
  install(): () => void {
    const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval } = globalThis;
    const { now } = Date;
    const promised = timersPromises.setTimeout;
    const cancel = (event: unknown) => {
      if (event instanceof Event) event.run = null;
    };
    const stop = { clearTimeout: cancel, clearInterval: cancel };
    Object.assign(globalThis, stop, {
      setTimeout: (run: () => void, delayMs = 0) => this.schedule(delayMs, run),
      setInterval: (run: () => void, everyMs: number) => this.repeat(everyMs, run),
      setImmediate: (run: () => void) => this.schedule(0, run),
    });
    Date.now = () => this.nowMs;
    const performanceNow = performance.now.bind(performance);
    performance.now = () => this.elapsedMs;
    Object.assign(timersPromises, { setTimeout: (delayMs: number) => this.delay(delayMs) });
    syncBuiltinESMExports();
    return () => {
      Object.assign(globalThis, { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval });
      Date.now = now;
      performance.now = performanceNow;
      Object.assign(timersPromises, { setTimeout: promised });
      syncBuiltinESMExports();
    };
  }

  #push(event: Event): Event {
    event.order = ++this.#order;
    this.#insert(event);
    return event;
  }

  #insert(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): Event | null {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      let least = left;
      if (right !== undefined && isBefore(right, left)) {
        least = right;
        child += 1;
      }
      if (isBefore(last, least)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Resolves when every promise that can settle without an event has settled: ticks come after all microtasks. */
function settled(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  queueMicrotask(() => process.nextTick(resolve));
  return promise;
}
