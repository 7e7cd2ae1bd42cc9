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

/** Splits the queue into the calls of the next request and the rest; one call alone may exceed the limit: see `piecesOf`. */
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

/** The records in their order, in as many requests as they need; a record that is too large by itself stays alone. */
export function piecesOf(records: readonly OutgoingRecord[]): OutgoingRecord[][] {
  const pieces: OutgoingRecord[][] = [];
  let piece: OutgoingRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    bytes += bytesOf(record);
    if (piece.length > 0 && (bytes > MAX_FLUSH_BYTES || piece.length >= MAX_FLUSH_RECORDS)) {
      pieces.push(piece);
      piece = [];
      bytes = bytesOf(record);
    }
    piece.push(record);
  }
  return [...pieces, piece];
}

function sizeOf({ records }: PendingPublish): number {
  let bytes = 0;
  for (const record of records) bytes += bytesOf(record);
  return bytes;
}

function bytesOf({ value }: OutgoingRecord): number {
  return (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
}
