import type { AssignedPartition } from '../../domain/consumer-contract.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import type { LaneWork } from '../../domain/lane.ts';

/** One delivery in this process: what to send, and which record is resolved by it. */
export interface Job extends LaneWork {
  readonly delivery: DeliveryRecord;
  readonly partition: AssignedPartition;
  readonly offset: number;
  /** What it holds of the byte budget. */
  readonly bytes: number;
  readonly receivedAtMs: number;
}

/** Since when this attempt has been waiting, over all the times it was set aside. */
export function waitingSinceMs({ delivery, receivedAtMs }: Job): number {
  return delivery.waiting_since_ms === 0 ? receivedAtMs : delivery.waiting_since_ms;
}
