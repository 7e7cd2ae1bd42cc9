import { expect, test } from 'vitest';
import type { DeliveryRecord } from '../../../../src/domain/delivery-record.ts';
import type { ConsumedRecord } from '../../../../src/domain/record.ts';
import { createRetrySchedule } from '../../../../src/domain/retry-schedule.ts';
import { createSilentLogger } from '../../../../src/infrastructure/telemetry/logger.ts';
import { DeliveryEngine } from '../../../../src/processes/delivery/engine.ts';
import { OutcomeRecords } from '../../../../src/processes/delivery/outcome-records.ts';
import { Spill } from '../../../../src/processes/delivery/spill.ts';
import { createDelivery, createPartition } from './engine-parts.ts';

const MAX_UNCOMMITTED = 3;

/** An engine whose attempts succeed at once, over a Kafka that answers when `write` is called. */
function createEngine() {
  const schedule = createRetrySchedule(['5s'], 0);
  if (schedule === null) throw new Error('no schedule');
  const deliveries = new Map<string, DeliveryRecord>();
  const tried: string[] = [];
  const writes: (() => void)[] = [];
  const records = new OutcomeRecords({
    topics: { attempts: 'attempts', overflow: 'overflow', deadDeliveries: 'dead', retry: (tier) => `retry.${tier}` },
    schedule,
    retryPartitions: () => 1,
    encodeDelivery: () => Buffer.alloc(0),
    encodeAttempt: () => Buffer.alloc(0),
    newId: () => 'id',
    random: () => 0,
  });
  const engine = new DeliveryEngine(
    {
      youngRequests: 1,
      slowRequests: 10,
      requestsPerWebhook: 10,
      maxUncommitted: MAX_UNCOMMITTED,
      maxQueuedBytes: 1_000_000,
    },
    {
      decodeDelivery: (value) => deliveries.get(value.toString()) ?? createDelivery(),
      attempt: async ({ delivery }) => {
        tried.push(delivery.delivery_id);
        return { lane: { kind: 'succeeded' }, records: [], entry: null };
      },
      spill: new Spill({
        records,
        schedule,
        retryPartitions: () => 1,
        crowdedAt: 100,
        parkAfterMs: 3_600_000,
        mayPark: () => false,
        onSetAside: () => {},
      }),
      publish: () => new Promise((resolve) => writes.push(resolve)),
      unreadable: () => ({ topic: 'dead', key: null, value: null }),
      uncommitted: () => 0,
      onRepeat: () => {},
      log: createSilentLogger(),
      now: () => 0,
    },
  );
  const record = (offset: number): ConsumedRecord => {
    const id = `delivery-${offset}`;
    deliveries.set(id, createDelivery({ delivery_id: id, webhook_id: `webhook-${offset}` }));
    const place = { topic: 'deliveries', partition: 0, offset, timestampMs: 0 };
    return { ...place, key: null, value: Buffer.from(id), headers: {} };
  };
  return { engine, record, tried, writes };
}

test('while Kafka takes no outcomes, no more attempts are made than a kill may repeat', async () => {
  const { engine, record, tried, writes } = createEngine();
  const { partition, resolved } = createPartition();
  engine.onRecords(partition, [0, 1, 2, 3, 4, 5].map(record));
  await expect.poll(() => writes.length).toBe(MAX_UNCOMMITTED);
  engine.pump();
  expect(tried.length).toBe(MAX_UNCOMMITTED);
  for (const write of writes.splice(0)) write();
  await expect.poll(() => tried.length).toBe(6);
  for (const write of writes.splice(0)) write();
  await expect.poll(() => resolved.length).toBe(6);
});
