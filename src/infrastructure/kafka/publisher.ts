import { CompressionTypes, type Kafka, type Message, type Producer, type RecordMetadata } from 'kafkajs';
import { AppError } from '../../domain/errors.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../telemetry/logger.ts';
import { PartitionChooser } from './partition-chooser.ts';
import { nextBatch, type PendingPublish, piecesOf } from './publish-queue.ts';

export interface PublisherOptions {
  readonly kafka: Kafka;
  readonly log: Logger;
  /** How long a publish is tried before it rejects, milliseconds. */
  readonly giveUpAfterMs?: number;
  /** Called with the number of records that the client reported as sent although they were not. */
  readonly onRepaired?: (count: number) => void;
  /** Called when a request failed and is made again. */
  readonly onRetried?: () => void;
}

const DEFAULT_GIVE_UP_AFTER_MS = 30_000;
const RETRY_PAUSE_MS = 200;

/**
 * The one way by which Posthorn writes to Kafka: acks = all, idempotent, and checked. kafkajs' `send` resolves without
 * having written the partitions whose leader moved to a broker that had already answered (tulios/kafkajs issue 1303), so
 * every record gets its partition here, the answer is compared with what was sent, and missing ones are sent again.
 *
 * Records of concurrent calls share one request per flush: kafkajs itself neither lingers nor merges.
 */
export class KafkaPublisher implements Service {
  readonly name = 'publisher';
  readonly #options: PublisherOptions;
  readonly #partitions: PartitionChooser;
  #producer: Producer;
  #waiting: PendingPublish[] = [];
  #flushing: Promise<void> | null = null;
  #stopped = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#partitions = new PartitionChooser(options.kafka);
    this.#producer = createProducer(options.kafka);
  }

  async start(): Promise<void> {
    this.#stopped = false;
    await this.#partitions.start();
    await this.#producer.connect();
  }

  /** Resolves when every record was sent or refused. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#flushing;
    await this.#producer.disconnect();
    await this.#partitions.stop();
  }

  /** Resolves when all records are in the log; rejects with `publish_failed` when some are not after the time allowed. */
  publish(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    if (this.#stopped) return Promise.reject(new AppError('publish_failed', 'The publisher has stopped'));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUpAtMs = Date.now() + (this.#options.giveUpAfterMs ?? DEFAULT_GIVE_UP_AFTER_MS);
    this.#waiting.push({ records, giveUpAtMs, resolve, reject });
    this.#flushing ??= this.#flush();
    return promise;
  }

  /** How many partitions the topic has. Rejects with `publish_failed` when it does not exist. */
  partitionCount(topic: string): Promise<number> {
    return this.#partitions.count(topic);
  }

  async #flush(): Promise<void> {
    // One turn of the event loop gathers what other callers publish at the same moment.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const { batch, rest } = nextBatch(this.#waiting);
      this.#waiting = rest;
      await this.#sendBatch(batch);
    }
    this.#flushing = null;
  }

  async #sendBatch(batch: readonly PendingPublish[]): Promise<void> {
    try {
      await this.#sendUntilWritten(batch);
      for (const pending of batch) pending.resolve();
    } catch (error) {
      // A record that the broker refuses must fail its own caller only.
      if (batch.length > 1 && isRefused(error)) {
        for (const pending of batch) await this.#sendBatch([pending]);
        return;
      }
      for (const pending of batch) pending.reject(publishFailed(error));
    }
  }

  async #sendUntilWritten(batch: readonly PendingPublish[]): Promise<void> {
    const giveUpAtMs = Math.max(...batch.map((pending) => pending.giveUpAtMs));
    const waiting = piecesOf(batch.flatMap(({ records }) => records));
    for (let round = 0; ; round++) {
      try {
        const missing = await this.#sendPieces(waiting);
        if (missing === 0) return;
        this.#options.onRepaired?.(missing);
        this.#options.log.warn({ missing, round }, 'publish.repaired');
      } catch (error) {
        if (isRefused(error) || Date.now() > giveUpAtMs) throw error;
        this.#options.onRetried?.();
        this.#options.log.warn({ error: String(error), round }, 'publish.retried');
        if (!isRetriable(error)) await this.#rebuildProducer();
      }
      if (Date.now() > giveUpAtMs) throw new Error(`${waiting.flat().length} records were not written`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  }

  /** Takes from the front what is written; returns how many of the piece in front the brokers did not confirm. */
  async #sendPieces(waiting: OutgoingRecord[][]): Promise<number> {
    for (let piece = waiting[0]; piece !== undefined; piece = waiting[0]) {
      const missing = await this.#sendOnce(piece);
      if (missing.length > 0) {
        waiting[0] = missing;
        return missing.length;
      }
      waiting.shift();
    }
    return 0;
  }

  /** Sends the records once and returns those that are not in the answer. */
  async #sendOnce(records: readonly OutgoingRecord[]): Promise<OutgoingRecord[]> {
    const byTopic = new Map<string, Map<number, OutgoingRecord[]>>();
    for (const record of records) {
      const partition = this.#partitions.known(record) ?? (await this.#partitions.lookUp(record));
      const byPartition = byTopic.get(record.topic) ?? new Map<number, OutgoingRecord[]>();
      byTopic.set(record.topic, byPartition);
      const sharing = byPartition.get(partition);
      if (sharing === undefined) byPartition.set(partition, [record]);
      else sharing.push(record);
    }
    const topicMessages = [...byTopic].map(([topic, byPartition]) => ({ topic, messages: toMessages(byPartition) }));
    const answer = await this.#producer.sendBatch({ acks: -1, compression: CompressionTypes.None, topicMessages });
    return notWritten(byTopic, answer);
  }

  async #rebuildProducer(): Promise<void> {
    // An idempotent producer cannot go on after a fatal sequence error; a new one gets a new producer id.
    await this.#producer.disconnect().catch((error: unknown) => {
      this.#options.log.debug({ error: String(error) }, 'publisher.disconnect_failed');
    });
    this.#producer = createProducer(this.#options.kafka);
    await this.#producer.connect().catch((error: unknown) => {
      this.#options.log.warn({ error: String(error) }, 'publisher.connect_failed');
    });
  }
}

function createProducer(kafka: Kafka): Producer {
  const retry = { retries: 5, initialRetryTime: 100, maxRetryTime: 1000 };
  return kafka.producer({ idempotent: true, allowAutoTopicCreation: false, retry });
}

function toMessages(byPartition: ReadonlyMap<number, readonly OutgoingRecord[]>): Message[] {
  const messages: Message[] = [];
  for (const [partition, records] of byPartition) {
    for (const { key, value, headers } of records) {
      messages.push({ key, value, partition, ...(headers === undefined ? {} : { headers: { ...headers } }) });
    }
  }
  return messages;
}

/** The records of every partition that the brokers did not confirm. */
function notWritten(
  sent: ReadonlyMap<string, ReadonlyMap<number, readonly OutgoingRecord[]>>,
  answer: readonly RecordMetadata[],
): OutgoingRecord[] {
  const written = new Set(
    answer.filter(({ errorCode }) => errorCode === 0).map((part) => `${part.topicName}/${part.partition}`),
  );
  const missing: OutgoingRecord[] = [];
  for (const [topic, byPartition] of sent) {
    for (const [partition, records] of byPartition) {
      if (!written.has(`${topic}/${partition}`)) missing.push(...records.map((record) => ({ ...record, partition })));
    }
  }
  return missing;
}

const REFUSALS = new Set([
  'MESSAGE_TOO_LARGE',
  'INVALID_RECORD',
  'TOPIC_AUTHORIZATION_FAILED',
  'RECORD_LIST_TOO_LARGE',
]);

/** The broker will never take these records, however often they are sent. */
function isRefused(error: unknown): boolean {
  return errorTypes(error).some((type) => REFUSALS.has(type));
}

function isRetriable(error: unknown): boolean {
  return error instanceof Error && 'retriable' in error && error.retriable === true;
}

function errorTypes(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = 'type' in error && typeof error.type === 'string' ? [error.type] : [];
  return [...own, ...errorTypes(error.cause)];
}

function publishFailed(cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError('publish_failed', `Kafka did not take the records: ${reason}`, { cause });
}
