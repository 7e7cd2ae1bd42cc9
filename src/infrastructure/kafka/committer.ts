import type { Logger } from '../telemetry/logger.ts';
import type { CommitDraft, PartitionState } from './partition-state.ts';

/** kafkajs' form of an offset commit. */
export interface OffsetCommit {
  topics: { topic: string; partitions: { partition: number; offset: string; metadata: string | null }[] }[];
}

export interface CommitterOptions {
  readonly states: () => Iterable<PartitionState>;
  /** Sends one commit under the group's present generation; rejects when the broker refuses it. */
  readonly send: (commit: OffsetCommit) => Promise<void>;
  readonly intervalMs: number;
  /** Resolved but uncommitted records that make a commit due at once. */
  readonly eagerAt: number;
  readonly onCommitted: () => void;
  readonly onRefused: () => void;
  readonly log: Logger;
}

/** Commits the watermarks of all partitions, one commit at a time, every interval and sooner when much is uncommitted. */
export class Committer {
  readonly #options: CommitterOptions;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #uncommittedCount = 0;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** Records that are resolved and whose commit no broker has acknowledged. */
  get uncommitted(): number {
    return this.#uncommittedCount;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.commit(), this.#options.intervalMs);
  }

  /** Ends the timer and commits what is left. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#running;
    await this.commit();
  }

  /** Something was resolved. */
  noteResolved(): void {
    this.#uncommittedCount += 1;
    if (this.#uncommittedCount >= this.#options.eagerAt && this.#running === null) void this.commit();
  }

  /** Commits what has changed; resolves also when the broker refused, since the next commit says the same again. */
  commit(): Promise<void> {
    this.#running ??= this.#commitOnce().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #commitOnce(): Promise<void> {
    const drafts: CommitDraft[] = [];
    for (const state of this.#options.states()) {
      const draft = state.draftCommit();
      if (draft !== null) drafts.push(draft);
    }
    if (drafts.length > 0) {
      try {
        await this.#options.send(toOffsetCommit(drafts));
        for (const draft of drafts) draft.state.committed(draft);
      } catch (error) {
        this.#options.onRefused();
        this.#options.log.debug({ error: String(error), partitions: drafts.length }, 'commit.refused');
      }
    }
    this.#recount();
    this.#options.onCommitted();
  }

  #recount(): void {
    let count = 0;
    for (const state of this.#options.states()) count += state.uncommitted;
    this.#uncommittedCount = count;
  }
}

function toOffsetCommit(drafts: readonly CommitDraft[]): OffsetCommit {
  const topics = new Map<string, OffsetCommit['topics'][number]>();
  for (const { state, offset, metadata } of drafts) {
    const entry = topics.get(state.topic) ?? { topic: state.topic, partitions: [] };
    entry.partitions.push({ partition: state.partition, offset: String(offset), metadata: metadata || null });
    topics.set(state.topic, entry);
  }
  return { topics: [...topics.values()] };
}
