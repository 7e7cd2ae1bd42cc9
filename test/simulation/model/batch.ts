import { type LogEntry } from './log.ts';

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/** An offset commit as kafkajs takes it. */
export interface CommitPayload {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { partition: number; offset: string; metadata: string | null }[];
  }[];
}

/** What a batch handler is given. */
export interface BatchPayload {
  readonly batch: object;
  commitOffsetsIfNecessary(commit: CommitPayload): Promise<void>;
}

/** Names every partition by itself. */
export function placesOf(places: readonly { topic: string; partitions: readonly number[] }[]): Place[] {
  return places.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })));
}

/** A record as kafkajs hands it over. */
export function toMessage({ offset, timestampMs, key, value, headers }: LogEntry) {
  return { offset: String(offset), timestamp: String(timestampMs), key, value, headers, attributes: 0 };
}
