import { Fifo } from '../../domain/fifo.ts';

/** Records per mark: what is said about the age of a record is wrong by at most the time that so many took to arrive. */
const RECORDS_PER_MARK = 64;

/** Remembers of what was read when it came to Kafka, so that one can say for how long the oldest open record has waited. */
export class ReadMarks {
  readonly #marks = new Fifo<{ readonly offset: number; readonly timestampMs: number }>();
  #oldest: { readonly offset: number; readonly timestampMs: number } | null = null;

  note(records: readonly { readonly offset: string; readonly timestamp: string }[]): void {
    for (let index = 0; index < records.length; index += RECORDS_PER_MARK) {
      const record = records[index];
      if (record !== undefined)
        this.#marks.push({ offset: Number(record.offset), timestampMs: Number(record.timestamp) });
    }
  }

  clear(): void {
    while (this.#marks.shift() !== undefined);
    this.#oldest = null;
  }

  /** Forgets what lies before the watermark. */
  dropBefore(watermark: number): void {
    for (let next = this.#marks.peek(); next !== undefined && next.offset <= watermark; next = this.#marks.peek()) {
      this.#oldest = next;
      this.#marks.shift();
    }
  }

  /** When the record at the watermark came to Kafka, epoch milliseconds; null when that is not known. */
  timeAt(watermark: number): number | null {
    this.dropBefore(watermark);
    return (this.#oldest ?? this.#marks.peek())?.timestampMs ?? null;
  }
}
