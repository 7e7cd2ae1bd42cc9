import type { AttemptRecord } from '../../domain/attempt-record.ts';
import type { EventReadResult } from '../../domain/event.ts';
import type { LogBatch, WriteBatchResult } from '../../domain/log-entries.ts';
import type { ConsumedRecord } from '../../domain/record.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';
import type { QueueLimits } from './record-queue.ts';

export interface RecorderDependencies {
  /** Throws or rejects: `unavailable` while the schema registry cannot be asked, otherwise the value is no attempt record. */
  readonly decodeAttempt: (value: Buffer) => AttemptRecord | Promise<AttemptRecord>;
  /** Rejects only while the schema registry cannot be asked. */
  readonly readEvent: (record: ConsumedRecord) => EventReadResult | Promise<EventReadResult>;
  /** Rejects while PostgreSQL cannot be asked. */
  readonly writeBatch: (batch: LogBatch) => Promise<WriteBatchResult>;
  /** First offset that the log does not have; null = it has none of the partition. */
  readonly loadOffset: (topic: string, partition: number) => Promise<number | null>;
  /** The internal topics; every other topic is an input topic. */
  readonly topics: { readonly attempts: string; readonly deadDeliveries: string; readonly deadEvents: string };
  readonly log: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly onWritten?: (summary: { readonly records: number; readonly durationMs: number }) => void;
  readonly limits?: Partial<QueueLimits>;
}
