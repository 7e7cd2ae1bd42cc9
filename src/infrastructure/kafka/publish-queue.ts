import type { OutgoingRecord } from '../../domain/record.ts';

/** One call of `publish` that waits for its turn. */
export interface PendingPublish {
  readonly records: readonly OutgoingRecord[];
  readonly giveUpAtMs: number;
  resolve(): void;
  reject(error: Error): void;
}

/** kafkajs puts all records of a partition into one batch, which must stay below the topic's limit (Kafka's default: 1 MiB). */
const MAX_FLUSH_BYTES = 900_000;
const MAX_FLUSH_RECORDS = 5_000;
const RECORD_OVERHEAD_BYTES = 100;

/** Splits the queue into the calls of the next request and the rest; one call is never split, so it may exceed the limit alone. */
export function nextBatch(waiting: readonly PendingPublish[]): { batch: PendingPublish[]; rest: PendingPublish[] } {
  let bytes = 0;
  let records = 0;
  let count = 0;
  for (const pending of waiting) {
    bytes += sizeOf(pending);
    records += pending.records.length;
    if (count > 0 && (bytes > MAX_FLUSH_BYTES || records > MAX_FLUSH_RECORDS)) break;
    count += 1;
  }
  return { batch: waiting.slice(0, count), rest: waiting.slice(count) };
}

function sizeOf({ records }: PendingPublish): number {
  let bytes = 0;
  for (const { value } of records) bytes += (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
  return bytes;
}
