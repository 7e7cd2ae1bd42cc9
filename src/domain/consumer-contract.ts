import type { ConsumedRecord } from './record.ts';

/** One assigned partition, valid until it is revoked; after that every call is a no-op. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  /** False once the partition was lost; late work must not be written. */
  readonly isActive: boolean;
  /** Marks a record as resolved; the contiguous watermark is committed in the background. */
  resolve(offset: number): void;
  /** Marks everything up to and including the offset as resolved. */
  resolveThrough(offset: number): void;
  pause(): void;
  resume(): void;
  /** Reads again from this offset. */
  seek(offset: number): void;
}

/** What a process does with the partitions that its consumer was given. */
export interface PartitionHandler {
  /** Before the first record of a newly assigned partition; a returned number overrides the committed offset to start from. */
  onAssigned?(partition: AssignedPartition): Promise<number | null>;
  onRevoked?(partition: AssignedPartition): void;
  /** Must hand over and return at once; never throws. */
  onRecords(partition: AssignedPartition, records: readonly ConsumedRecord[]): void;
}
