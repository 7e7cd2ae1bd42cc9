import { setTimeout as delay } from 'node:timers/promises';
import type { AssignedPartition } from '../../domain/consumer-contract.ts';
import type { OutgoingRecord, PublishRecords } from '../../domain/record.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';

/** A record that is resolved once something else is in the log. */
export interface Settled {
  readonly partition: AssignedPartition;
  readonly offset: number;
}

export interface OutboxDependencies {
  readonly publish: PublishRecords;
  readonly log: Logger;
}

const RETRY_PAUSE_MS = 100;

/**
 * The rule that makes "nothing lost" true: first the broker has the outcome, then the record counts as resolved. Tries
 * until Kafka takes it; gives up only when the partition is lost, since its next owner starts from the record itself.
 */
export class Outbox {
  readonly #deps: OutboxDependencies;

  constructor(deps: OutboxDependencies) {
    this.#deps = deps;
  }

  /** False when every partition was lost before Kafka took the records. */
  async settle(records: readonly OutgoingRecord[], settled: readonly Settled[]): Promise<boolean> {
    while (settled.some(({ partition }) => partition.isActive)) {
      try {
        await this.#deps.publish(records);
        for (const { partition, offset } of settled) partition.resolve(offset);
        return true;
      } catch (error) {
        this.#deps.log.warn({ error: String(error), records: records.length }, 'delivery.waits_for_kafka');
        await delay(RETRY_PAUSE_MS);
      }
    }
    return false;
  }

  /** Writes what is worth knowing but decides nothing; not being able to is no more than a line in the log. */
  async tell(record: OutgoingRecord): Promise<void> {
    try {
      await this.#deps.publish([record]);
    } catch (error) {
      this.#deps.log.warn({ error: String(error) }, 'delivery.attempt_not_recorded');
    }
  }
}
