import type { Service } from '../lifecycle.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { FetchState, PartitionState } from './partition-state.ts';

export interface LagWatchOptions {
  /** One past the newest record of each partition. */
  readonly endOffsets: (topic: string) => Promise<readonly { readonly partition: number; readonly end: number }[]>;
  readonly intervalMs?: number;
  readonly now: () => number;
  readonly log: Logger;
}

/** What a group has not resolved of the partitions of a topic that are ours. */
export interface TopicLag {
  readonly group: string;
  readonly topic: string;
  readonly records: number;
  /** Age of the oldest such record, milliseconds; 0 when there is none. */
  readonly oldestMs: number;
}

interface Followed {
  readonly group: string;
  readonly consumer: { readonly partitions: readonly PartitionState[] };
}

interface KnownEnd {
  readonly end: number;
  /** Our position when the brokers last said that there is more, and since when it has stood there. */
  readonly position: number;
  readonly unreadSinceMs: number | null;
}

/** Slow, because it asks the brokers for every topic; between two answers what was read meanwhile counts. */
const INTERVAL_MS = 15_000;

/** Knows how far the consumers of this process are behind: by the ends of partitions and what of them is resolved. */
export class LagWatch implements Service {
  readonly name = 'lag watch';
  readonly #options: LagWatchOptions;
  readonly #followed: Followed[] = [];
  readonly #ends = new Map<string, KnownEnd>();
  #timer: NodeJS.Timeout | null = null;
  #asking: Promise<void> | null = null;

  constructor(options: LagWatchOptions) {
    this.#options = options;
  }

  /** Counts a consumer in, under the name of its role. */
  follow(group: string, consumer: Followed['consumer']): void {
    this.#followed.push({ group, consumer });
  }

  async start(): Promise<void> {
    this.#timer ??= setInterval(() => this.#ask(), this.#options.intervalMs ?? INTERVAL_MS);
  }

  /** Resolves when nothing is being asked any more. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#asking;
  }

  lags(): TopicLag[] {
    const lags = new Map<string, { group: string; topic: string; records: number; oldestMs: number }>();
    for (const { group, state } of this.#states()) {
      const key = `${group} ${state.topic}`;
      const lag = lags.get(key) ?? { group, topic: state.topic, records: 0, oldestMs: 0 };
      lags.set(key, lag);
      lag.records += Math.max(this.#endOf(state), state.position) - state.watermark;
      lag.oldestMs = Math.max(lag.oldestMs, this.#oldestMs(state));
    }
    return [...lags.values()];
  }

  /** How many partitions are read, and how many are not and why. */
  fetchStates(): { readonly group: string; readonly state: FetchState; readonly partitions: number }[] {
    return this.#followed.flatMap(({ group, consumer }) =>
      FETCH_STATES.map((state) => ({
        group,
        state,
        partitions: consumer.partitions.filter(({ fetchState }) => fetchState === state).length,
      })),
    );
  }

  *#states(): Generator<{ group: string; state: PartitionState }> {
    for (const { group, consumer } of this.#followed) {
      for (const state of consumer.partitions) if (state.ready) yield { group, state };
    }
  }

  #endOf(state: PartitionState): number {
    return this.#ends.get(keyOf(state))?.end ?? 0;
  }

  /** By the times of what was read; what was never read has waited at least since it was first seen not to be. */
  #oldestMs(state: PartitionState): number {
    const sinceMs = state.oldestOpenMs ?? this.#unreadSinceMs(state);
    return sinceMs === null ? 0 : Math.max(0, this.#options.now() - sinceMs);
  }

  #unreadSinceMs(state: PartitionState): number | null {
    const known = this.#ends.get(keyOf(state));
    return known !== undefined && known.end > state.position ? known.unreadSinceMs : null;
  }

  #ask(): void {
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = null;
    });
  }

  async #askOnce(): Promise<void> {
    const topics = new Set([...this.#states()].map(({ state }) => state.topic));
    try {
      for (const topic of topics) {
        if (this.#timer !== null) await this.#askAbout(topic);
      }
    } catch (error) {
      // What is known stays; whether Kafka answers is for others to say.
      this.#options.log.debug({ error: String(error) }, 'lag.unknown');
    }
  }

  async #askAbout(topic: string): Promise<void> {
    const ends = new Map((await this.#options.endOffsets(topic)).map(({ partition, end }) => [partition, end]));
    for (const { state } of this.#states()) if (state.topic === topic) this.#note(state, ends.get(state.partition));
  }

  #note(state: PartitionState, end: number | undefined): void {
    if (end === undefined) return;
    const before = this.#ends.get(keyOf(state));
    const { position } = state;
    const stands = before !== undefined && before.position === position ? before.unreadSinceMs : null;
    const unreadSinceMs = end > position ? (stands ?? this.#options.now()) : null;
    this.#ends.set(keyOf(state), { end, position, unreadSinceMs });
  }
}

const FETCH_STATES: readonly FetchState[] = ['reading', 'full', 'held', 'positioning'];

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}
