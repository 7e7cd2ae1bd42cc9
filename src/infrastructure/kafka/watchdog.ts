import type { Admin } from 'kafkajs';
import type { Logger } from '../telemetry/logger.ts';
import type { PartitionState } from './partition-state.ts';

export interface WatchdogOptions {
  readonly admin: Pick<Admin, 'fetchTopicOffsets' | 'fetchTopicMetadata'>;
  readonly partitions: () => Iterable<PartitionState>;
  /** Silence after which a fetch loop counts as dead, milliseconds. */
  readonly silenceMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly onStuck: (where: string) => void;
  readonly log: Logger;
}

/**
 * kafkajs can stop fetching without a word. A partition is stuck when we want to read it (not paused by us), it has
 * records, and no fetch from its leader has answered for a long time. A Kafka that does not answer is a dependency to
 * wait for, not a reason to end.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  /** When a fetch from each broker last answered. */
  readonly #answeredAtMs = new Map<number, number>();
  #startedAtMs: number;
  /** When the last check began. */
  #checkedAtMs: number;

  constructor(options: WatchdogOptions) {
    this.#options = options;
    this.#startedAtMs = options.now();
    this.#checkedAtMs = options.now();
  }

  /** A fetch from this broker answered, with or without records. */
  noteFetch(nodeId: number): void {
    this.#answeredAtMs.set(nodeId, this.#options.now());
  }

  /** A join starts the silence anew: nothing is fetched while the group rebalances. */
  noteJoin(): void {
    this.#startedAtMs = this.#options.now();
    this.#answeredAtMs.clear();
  }

  /** Looks at everything that should be read. Resolves also when Kafka cannot be asked. */
  async check(): Promise<void> {
    const nowMs = this.#options.now();
    // A check that comes late was held up with everything else, as on a machine that slept: silence proves nothing then.
    if (nowMs - this.#checkedAtMs > this.#options.silenceMs / 2) this.noteJoin();
    this.#checkedAtMs = nowMs;
    const suspects = [...this.#options.partitions()].filter(({ isFetching }) => isFetching);
    try {
      for (const topic of new Set(suspects.map((suspect) => suspect.topic))) await this.#checkTopic(topic, suspects);
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'consumer.waits_for_kafka');
    }
  }

  #isSilent(nodeId: number): boolean {
    const answeredAtMs = this.#answeredAtMs.get(nodeId) ?? this.#startedAtMs;
    return this.#checkedAtMs - answeredAtMs > this.#options.silenceMs;
  }

  async #checkTopic(topic: string, suspects: readonly PartitionState[]): Promise<void> {
    const { topics } = await this.#options.admin.fetchTopicMetadata({ topics: [topic] });
    const leaders = new Map(topics[0]?.partitions.map(({ partitionId, leader }) => [partitionId, leader]));
    if (![...leaders.values()].some((leader) => this.#isSilent(leader))) return;
    const ends = new Map((await this.#options.admin.fetchTopicOffsets(topic)).map((end) => [end.partition, end.high]));
    for (const suspect of suspects) {
      const isBehind = Number(ends.get(suspect.partition) ?? 0) > suspect.position;
      const isOurs = suspect.topic === topic && suspect.isFetching;
      if (isOurs && isBehind && this.#isSilent(leaders.get(suspect.partition) ?? -1)) {
        return this.#options.onStuck(`${topic}/${suspect.partition}`);
      }
    }
  }
}
