import { setTimeout as delay } from 'node:timers/promises';
import type { AssignedPartition } from '../../domain/consumer-contract.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import { AppError } from '../../domain/errors.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../domain/record.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';
import type { Job } from './job.ts';
import type { Outbox } from './outbox.ts';

export interface IntakeDependencies {
  /** Throws or rejects: `unavailable` while the schema registry cannot be asked, otherwise the value is no delivery. */
  readonly decodeDelivery: (value: Buffer) => DeliveryRecord | Promise<DeliveryRecord>;
  /** What to write for a record on our own topics that cannot be read. */
  readonly unreadable: (record: ConsumedRecord, error: unknown) => OutgoingRecord;
  readonly log: Logger;
  readonly now: () => number;
  /** Between two questions to a registry that is away, milliseconds. */
  readonly registryPauseMs?: number;
}

const REGISTRY_PAUSE_MS = 500;
/** What a job holds beside its body. */
const JOB_BYTES = 512;

/** Makes jobs of records. What is no delivery becomes a dead letter; a registry that is away is waited for. */
export class Intake {
  readonly #deps: IntakeDependencies;
  readonly #outbox: Outbox;
  #isClosed = false;

  constructor(deps: IntakeDependencies, outbox: Outbox) {
    this.#deps = deps;
    this.#outbox = outbox;
  }

  /** From now on nothing is waited for: what could not be read is read again by the partition's next owner. */
  close(): void {
    this.#isClosed = true;
  }

  /** At once when the record's schema is known. Null when the record became a dead letter, or is somebody else's now. */
  read(partition: AssignedPartition, record: ConsumedRecord): Job | Promise<Job | null> {
    try {
      const delivery = this.#decode(record);
      return delivery instanceof Promise
        ? this.#readPatiently(partition, record, delivery)
        : this.#jobOf(partition, record, delivery);
    } catch (error) {
      return this.#readPatiently(partition, record, Promise.reject(error));
    }
  }

  #decode({ value }: ConsumedRecord): DeliveryRecord | Promise<DeliveryRecord> {
    if (value === null) throw new AppError('bad_request', 'the record has no value');
    return this.#deps.decodeDelivery(value);
  }

  async #readPatiently(
    partition: AssignedPartition,
    record: ConsumedRecord,
    first: Promise<DeliveryRecord>,
  ): Promise<Job | null> {
    let attempt = first;
    while (partition.isActive && !this.#isClosed) {
      try {
        return this.#jobOf(partition, record, await attempt);
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'unavailable'))
          return this.#discard(partition, record, error);
        this.#deps.log.warn({ error: error.message }, 'delivery.waits_for_registry');
        await delay(this.#deps.registryPauseMs ?? REGISTRY_PAUSE_MS);
        attempt = (async () => this.#decode(record))();
      }
    }
    attempt.catch(() => undefined);
    return null;
  }

  async #discard(partition: AssignedPartition, record: ConsumedRecord, error: unknown): Promise<null> {
    const { topic, offset } = record;
    this.#deps.log.error({ topic, partition: record.partition, offset, error: String(error) }, 'delivery.unreadable');
    await this.#outbox.settle([this.#deps.unreadable(record, error)], [{ partition, offset }]);
    return null;
  }

  #jobOf(partition: AssignedPartition, { offset }: ConsumedRecord, delivery: DeliveryRecord): Job {
    const bytes = delivery.body.length + JOB_BYTES;
    return { delivery, partition, offset, bytes, receivedAtMs: this.#deps.now() };
  }
}
