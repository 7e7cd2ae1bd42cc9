import type { AssignedPartition } from '../../domain/consumer-contract.ts';

/** One partition as the recorder knows it: where the log in PostgreSQL ends. */
export interface PartitionLog {
  readonly partition: AssignedPartition;
  /** First offset that the log does not have, as far as this recorder knows; null = the log has nothing of it. */
  nextOffset: number | null;
  /** Grows when the partition is read again from elsewhere: records handed over before do not count any more. */
  reading: number;
}

/** One record on its way into the log. */
export interface Handed {
  readonly log: PartitionLog;
  readonly reading: number;
  readonly offset: number;
}

/** Whether a record is still to be written: not if its partition was lost or the log has it already. */
export function isWanted({ log, reading, offset }: Handed): boolean {
  return log.partition.isActive && reading === log.reading && offset >= (log.nextOffset ?? 0);
}
