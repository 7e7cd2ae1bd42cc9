import type { AssignedPartition, PartitionHandler } from '../../domain/consumer-contract.ts';
import type { ConsumedRecord } from '../../domain/record.ts';
import type { Service } from '../../infrastructure/lifecycle.ts';
import { BatchWriter } from './batch-writer.ts';
import type { RecorderDependencies } from './dependencies.ts';
import { attemptContent, type Content, deadContent, type Entry, eventContent } from './entries.ts';
import type { PartitionLog } from './partition-log.ts';
import { Patience } from './patience.ts';
import { type HandedRecord, type QueueLimits, RecordQueue } from './record-queue.ts';

const LIMITS: QueueLimits = {
  records: 2_000,
  bytes: 8 * 1024 * 1024,
  lingerMs: 100,
  budgetBytes: 32 * 1024 * 1024,
};

/**
 * Writes what happened into PostgreSQL: attempts (with `stats`), events and dead letters. The position of each partition
 * is kept with the rows, so a record is in the log exactly once; the group's commits in Kafka only show progress.
 * Attempts and the archive have a queue each: a registry out of reach holds up the archive and not the `stats`.
 */
export class Recorder implements PartitionHandler, Service {
  readonly name = 'recorder';
  readonly #deps: RecorderDependencies;
  readonly #patience: Patience;
  readonly #writer: BatchWriter;
  readonly #logs = new Map<AssignedPartition, PartitionLog>();
  readonly #internal: RecordQueue;
  readonly #archive: RecordQueue;
  #running: Promise<unknown> | null = null;

  constructor(deps: RecorderDependencies) {
    this.#deps = deps;
    this.#patience = new Patience(deps.log);
    this.#writer = new BatchWriter(deps, this.#patience);
    this.#internal = new RecordQueue({ ...LIMITS, ...deps.limits });
    this.#archive = new RecordQueue({ ...LIMITS, ...deps.limits });
  }

  /** What it waits for at the moment, for `/readyz`. */
  get waitingFor(): readonly string[] {
    return this.#patience.waitingFor;
  }

  async start(): Promise<void> {
    this.#running ??= Promise.all([this.#work(this.#internal), this.#work(this.#archive)]);
  }

  /** Writes what was handed over, unless PostgreSQL is down; then Kafka has it still. Stop before the consumer. */
  async stop(): Promise<void> {
    this.#patience.end();
    this.#internal.close();
    this.#archive.close();
    await this.#running;
  }

  async onAssigned(partition: AssignedPartition): Promise<number | null> {
    const answer = await this.#patience.until(
      'PostgreSQL',
      async () => ({ nextOffset: await this.#deps.loadOffset(partition.topic, partition.partition) }),
      () => partition.isActive,
    );
    if (answer === null) return null;
    this.#logs.set(partition, { partition, nextOffset: answer.nextOffset, reading: 0 });
    return answer.nextOffset;
  }

  onRevoked(partition: AssignedPartition): void {
    this.#logs.delete(partition);
    this.#internal.forget(partition);
    this.#archive.forget(partition);
  }

  onRecords(partition: AssignedPartition, records: readonly ConsumedRecord[]): void {
    const log = this.#logs.get(partition);
    if (log !== undefined) this.#queueOf(partition.topic).add(log, records);
  }

  async #work(queue: RecordQueue): Promise<void> {
    for (let batch = await queue.take(); batch.length > 0; batch = await queue.take()) {
      const entries = await this.#read(batch);
      if (entries === null || !(await this.#writer.write(entries))) return;
    }
  }

  /** Null when stopped while the registry was out of reach. */
  async #read(batch: readonly HandedRecord[]): Promise<Entry[] | null> {
    const entries: Entry[] = [];
    for (const handed of batch) {
      if (!handed.log.partition.isActive) continue;
      const content = this.#contentOf(handed.record);
      const read = content instanceof Promise ? await content : content;
      if (read === null) return null;
      entries.push({ ...handed, content: read });
    }
    return entries;
  }

  /** At once where nothing needs to be asked for; null when stopped while the registry was out of reach. */
  #contentOf(record: ConsumedRecord): Content | Promise<Content | null> {
    let first: Content | Promise<Content>;
    try {
      first = this.#tryContentOf(record);
    } catch (error) {
      first = Promise.reject(error);
    }
    return first instanceof Promise ? this.#contentPatiently(record, first) : first;
  }

  #contentPatiently(record: ConsumedRecord, first: Promise<Content>): Promise<Content | null> {
    let asked: Promise<Content> | null = first;
    return this.#patience.until('schema registry', () => {
      const answer = asked ?? this.#tryContentOf(record);
      asked = null;
      return answer;
    });
  }

  #tryContentOf(record: ConsumedRecord): Content | Promise<Content> {
    const { attempts, deadDeliveries, deadEvents } = this.#deps.topics;
    if (record.topic === attempts) return attemptContent(record, this.#deps.decodeAttempt);
    if (record.topic === deadDeliveries || record.topic === deadEvents) return deadContent(record);
    const result = this.#deps.readEvent(record);
    return result instanceof Promise ? result.then((read) => eventContent(record, read)) : eventContent(record, result);
  }

  #queueOf(topic: string): RecordQueue {
    const { attempts, deadDeliveries, deadEvents } = this.#deps.topics;
    return [attempts, deadDeliveries, deadEvents].includes(topic) ? this.#internal : this.#archive;
  }
}
