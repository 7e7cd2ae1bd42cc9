import { expect, test } from 'vitest';
import { AppError } from '../../../../src/domain/errors.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../../../src/domain/record.ts';
import { createSilentLogger } from '../../../../src/infrastructure/telemetry/logger.ts';
import { Intake } from '../../../../src/processes/delivery/intake.ts';
import { Outbox } from '../../../../src/processes/delivery/outbox.ts';
import { createDelivery, createPartition } from './engine-parts.ts';

function intakeWith(decodeDelivery: ConstructorParameters<typeof Intake>[0]['decodeDelivery']) {
  const log = createSilentLogger();
  const published: OutgoingRecord[] = [];
  const outbox = new Outbox({ publish: async (records) => void published.push(...records), log });
  const unreadable = () => ({ topic: 'dead', key: null, value: null });
  return {
    intake: new Intake({ decodeDelivery, unreadable, log, now: () => 7, registryPauseMs: 0 }, outbox),
    published,
  };
}

function recordAt(offset: number): ConsumedRecord {
  return { topic: 'deliveries', partition: 0, offset, timestampMs: 0, key: null, value: Buffer.alloc(1), headers: {} };
}

test('a delivery becomes a job at once', () => {
  const delivery = createDelivery();
  const { intake } = intakeWith(() => delivery);
  expect(intake.read(createPartition().partition, recordAt(3))).toMatchObject({ delivery, offset: 3, receivedAtMs: 7 });
});

test('a value that is no delivery becomes a dead letter, and its record is resolved', async () => {
  const { intake, published } = intakeWith(() => {
    throw new AppError('bad_request', 'no delivery');
  });
  const { partition, resolved } = createPartition();
  expect(await intake.read(partition, recordAt(3))).toBeNull();
  expect(published.map(({ topic }) => topic)).toEqual(['dead']);
  expect(resolved).toEqual([3]);
});

test('a registry that is away is waited for and makes nothing a dead letter', async () => {
  let asked = 0;
  const delivery = createDelivery();
  const { intake, published } = intakeWith(async () => {
    asked += 1;
    if (asked < 3) throw new AppError('unavailable', 'the registry does not answer');
    return delivery;
  });
  const reading = intake.read(createPartition().partition, recordAt(3));
  expect(await reading).toMatchObject({ delivery });
  expect(asked).toBe(3);
  expect(published).toEqual([]);
});
