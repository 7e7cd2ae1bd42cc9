import type { AssignedPartition } from '../../domain/consumer-contract.ts';
import { Fifo } from '../../domain/fifo.ts';
import type { ConsumedRecord } from '../../domain/record.ts';
import type { Handed, PartitionLog } from './partition-log.ts';

export interface HandedRecord extends Handed {
  readonly record: ConsumedRecord;
}

export interface QueueLimits {
  /** A batch is due at so many records … */
  readonly records: number;
  /** … or so many bytes of them … */
  readonly bytes: number;
  /** … or when its oldest record has waited so long. */
  readonly lingerMs: number;
  /** Bytes in memory beyond which partitions pause; they resume at half. */
  readonly budgetBytes: number;
}

/** What a record costs beside its key and value. */
const RECORD_OVERHEAD_BYTES = 512;

/** Records of all partitions in the order in which they came, given out in batches; full means that partitions pause. */
export class RecordQueue {
  readonly #limits: QueueLimits;
  readonly #waiting = new Fifo<HandedRecord>();
  readonly #paused = new Set<AssignedPartition>();
  #bytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #wake: (() => void) | null = null;
  #isDue = false;
  #isClosed = false;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  add(log: PartitionLog, records: readonly ConsumedRecord[]): void {
    if (this.#isClosed) return;
    for (const record of records) {
      this.#waiting.push({ log, reading: log.reading, offset: record.offset, record });
      this.#bytes += sizeOf(record);
    }
    if (this.#bytes > this.#limits.budgetBytes) this.#pause(log.partition);
    if (this.#isFull()) return this.#due();
    this.#timer ??= setTimeout(() => this.#due(), this.#limits.lingerMs);
  }

  /** The next batch, once it is due; empty when the queue is closed and has nothing more. */
  async take(): Promise<HandedRecord[]> {
    while (!this.#isClosed && !(this.#isDue && this.#waiting.length > 0)) await this.#woken();
    const batch: HandedRecord[] = [];
    let bytes = 0;
    while (batch.length < this.#limits.records && bytes < this.#limits.bytes) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      bytes += sizeOf(next.record);
      batch.push(next);
    }
    this.#bytes -= bytes;
    this.#isDue = this.#waiting.length > 0;
    if (this.#bytes <= this.#limits.budgetBytes / 2) this.#resume();
    return batch;
  }

  /** Takes nothing more; what waits is given out. */
  close(): void {
    this.#isClosed = true;
    this.#due();
  }

  forget(partition: AssignedPartition): void {
    this.#paused.delete(partition);
  }

  #isFull(): boolean {
    return this.#waiting.length >= this.#limits.records || this.#bytes >= this.#limits.bytes;
  }

  #due(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#isDue = true;
    this.#wake?.();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #pause(partition: AssignedPartition): void {
    this.#paused.add(partition);
    partition.pause();
  }

  #resume(): void {
    for (const partition of this.#paused) partition.resume();
    this.#paused.clear();
  }
}

function sizeOf(record: ConsumedRecord): number {
  return RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
}
