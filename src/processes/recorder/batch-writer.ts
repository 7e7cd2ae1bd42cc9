import type { RecorderDependencies } from './dependencies.ts';
import { batchOf, type Entry, unreadable } from './entries.ts';
import { isWanted, type PartitionLog } from './partition-log.ts';
import type { Patience } from './patience.ts';

/**
 * Writes entries so that each is in the log exactly once, whoever else writes. A batch and the positions it moves are
 * one transaction; when a position is not where this recorder left it (another recorder wrote, or our own commit went
 * through and its answer was lost), the log's own position decides what is left to write.
 */
export class BatchWriter {
  readonly #deps: RecorderDependencies;
  readonly #patience: Patience;

  constructor(deps: RecorderDependencies, patience: Patience) {
    this.#deps = deps;
    this.#patience = patience;
  }

  /** False when stopped before all was written; Kafka has the rest. */
  async write(entries: readonly Entry[]): Promise<boolean> {
    for (;;) {
      resolveRecorded(entries);
      const wanted = entries.filter(isWanted);
      if (wanted.length === 0) return true;
      const startedMs = this.#deps.now();
      const result = await this.#patience.until('PostgreSQL', () => this.#deps.writeBatch(batchOf(wanted)));
      if (result === null) return false;
      switch (result.kind) {
        case 'written':
          this.#moveOn(wanted, startedMs);
          break;
        case 'moved':
          if (!(await this.#reread(wanted))) return false;
          break;
        case 'refused':
          return this.#isolate(wanted, result.message);
      }
    }
  }

  /** Finds the entry that PostgreSQL refuses by halves, and keeps its record raw, so that it holds up nobody. */
  async #isolate(entries: readonly Entry[], message: string): Promise<boolean> {
    const [only] = entries;
    if (only === undefined) return true;
    if (entries.length > 1) {
      const half = Math.ceil(entries.length / 2);
      return (await this.write(entries.slice(0, half))) && this.write(entries.slice(half));
    }
    this.#deps.log.error({ ...placeOf(only.log), offset: only.offset, message }, 'recorder.record_refused');
    const content = only.content.kind === 'dead' ? ({ kind: 'nothing' } as const) : unreadable(only.record, message);
    return this.write([{ ...only, content }]);
  }

  #moveOn(entries: readonly Entry[], startedMs: number): void {
    for (const { log, offset } of entries) log.nextOffset = offset + 1;
    const durationMs = this.#deps.now() - startedMs;
    this.#deps.log.debug({ records: entries.length, durationMs }, 'recorder.batch_written');
    this.#deps.onWritten?.({ records: entries.length, durationMs });
  }

  /** Asks the log where it ends in each partition of the batch. False when stopped before it answered. */
  async #reread(entries: readonly Entry[]): Promise<boolean> {
    for (const log of logsOf(entries)) {
      const { topic, partition } = log.partition;
      const answer = await this.#patience.until('PostgreSQL', async () => ({
        nextOffset: await this.#deps.loadOffset(topic, partition),
      }));
      if (answer === null) return false;
      this.#follow(log, answer.nextOffset);
    }
    return true;
  }

  #follow(log: PartitionLog, nextOffset: number | null): void {
    const known = log.nextOffset;
    if (nextOffset === known) return;
    this.#deps.log.warn({ ...placeOf(log), known, nextOffset }, 'recorder.position_moved');
    log.nextOffset = nextOffset;
    // The log went back (a restored backup): what it lost must be read again. With null it forgot where it was, and
    // goes on from here.
    if (nextOffset === null || nextOffset >= (known ?? 0)) return;
    log.reading += 1;
    log.partition.seek(nextOffset);
  }
}

/** Marks what the log has as resolved, per partition. */
function resolveRecorded(entries: readonly Entry[]): void {
  const recorded = new Map<PartitionLog, number>();
  for (const { log, reading, offset } of entries) {
    if (reading === log.reading && offset < (log.nextOffset ?? 0)) recorded.set(log, offset);
  }
  for (const [log, offset] of recorded) log.partition.resolveThrough(offset);
}

function logsOf(entries: readonly Entry[]): Set<PartitionLog> {
  return new Set(entries.map((entry) => entry.log));
}

function placeOf(log: PartitionLog): { topic: string; partition: number } {
  return { topic: log.partition.topic, partition: log.partition.partition };
}
