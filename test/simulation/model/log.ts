import type { VirtualTime } from '../virtual-time.ts';

/** One place in a partition. Markers and holes take an offset and never reach a reader. */
export interface LogEntry {
  readonly kind: 'record' | 'marker' | 'hole';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string | (Buffer | string)[]>>;
}

export type NewEntry = Pick<LogEntry, 'kind' | 'key' | 'value' | 'headers'>;

/** The topics of the cluster. Every partition is a list in which the index is the offset. */
export class Log {
  readonly #topics = new Map<string, LogEntry[][]>();
  readonly #listeners: ((entry: LogEntry) => void)[] = [];
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  create(topic: string, partitions: number): void {
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => []),
    );
  }

  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  partitions(topic: string): readonly (readonly LogEntry[])[] {
    const found = this.#topics.get(topic);
    if (found === undefined) throw new Error(`no topic ${topic}`);
    return found;
  }

  entries(topic: string, partition: number): readonly LogEntry[] {
    const found = this.partitions(topic)[partition];
    if (found === undefined) throw new Error(`no partition ${topic}/${partition}`);
    return found;
  }

  append(topic: string, partition: number, entry: NewEntry): LogEntry {
    const entries = this.#topics.get(topic)?.[partition];
    if (entries === undefined) throw new Error(`no partition ${topic}/${partition}`);
    const stored = { ...entry, topic, partition, offset: entries.length, timestampMs: this.#time.nowMs };
    entries.push(stored);
    for (const listener of this.#listeners) listener(stored);
    return stored;
  }

  onAppend(listener: (entry: LogEntry) => void): void {
    this.#listeners.push(listener);
  }
}

export function placeOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}
