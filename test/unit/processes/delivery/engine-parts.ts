import type { AssignedPartition } from '../../../../src/domain/consumer-contract.ts';
import type { DeliveryRecord } from '../../../../src/domain/delivery-record.ts';
import type { Job } from '../../../../src/processes/delivery/job.ts';

/** An assigned partition that notes what is resolved. */
export function createPartition(): { partition: AssignedPartition; resolved: number[] } {
  const resolved: number[] = [];
  const partition = {
    topic: 'deliveries',
    partition: 0,
    isActive: true,
    resolve: (offset: number) => void resolved.push(offset),
    resolveThrough: (offset: number) => void resolved.push(offset),
    pause: () => {},
    resume: () => {},
    seek: () => {},
  };
  return { partition, resolved };
}

export function createDelivery(differences: Partial<DeliveryRecord> = {}): DeliveryRecord {
  return {
    delivery_id: 'delivery-1',
    webhook_id: 'webhook-1',
    tenant_id: 'acme',
    event_id: 'event-1',
    event_type: 'order.placed',
    event_source: '/test',
    event_time: '2026-01-01T00:00:00Z',
    subject: null,
    replay_id: null,
    created_at_ms: 0,
    attempt: 1,
    not_before_ms: 0,
    waiting_since_ms: 0,
    rewrites: 0,
    traceparent: null,
    body: Buffer.from('{}'),
    ...differences,
  };
}

export function jobOf(partition: AssignedPartition, offset: number, delivery: DeliveryRecord): Job {
  return { delivery, partition, offset, bytes: 1, receivedAtMs: 0 };
}
