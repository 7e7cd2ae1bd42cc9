import { afterEach, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../../src/domain/attempt-record.ts';
import type { AssignedPartition } from '../../../../src/domain/consumer-contract.ts';
import { AppError } from '../../../../src/domain/errors.ts';
import type { EventReadResult } from '../../../../src/domain/event.ts';
import type { LogBatch, WriteBatchResult } from '../../../../src/domain/log-entries.ts';
import type { ConsumedRecord } from '../../../../src/domain/record.ts';
import { createSilentLogger } from '../../../../src/infrastructure/telemetry/logger.ts';
import type { RecorderDependencies } from '../../../../src/processes/recorder/dependencies.ts';
import { Recorder } from '../../../../src/processes/recorder/recorder.ts';
import { anAttempt } from '../../../support/attempts.ts';
import { waitUntil } from '../../../support/wait-until.ts';

const TOPICS = { attempts: 't.attempts', deadDeliveries: 't.deliveries.dead', deadEvents: 't.events.dead' };

/** A log in memory with the guard of the real one. */
class MemoryLog {
  readonly positions = new Map<string, number>();
  readonly batches: LogBatch[] = [];
  /** What the next writes do instead, first come first served. */
  readonly script: ((batch: LogBatch) => WriteBatchResult | Error | 'answer lost')[] = [];

  get attempts(): AttemptRecord[] {
    return this.batches.flatMap((batch) => batch.attempts);
  }

  async loadOffset(topic: string, partition: number): Promise<number | null> {
    return this.positions.get(`${topic}/${partition}`) ?? null;
  }

  async writeBatch(batch: LogBatch): Promise<WriteBatchResult> {
    const scripted = this.script.shift()?.(batch);
    if (scripted instanceof Error) throw scripted;
    if (scripted !== undefined && scripted !== 'answer lost') return scripted;
    const keyOf = (place: { topic: string; partition: number }) => `${place.topic}/${place.partition}`;
    const isMoved = batch.positions.some((p) => (this.positions.get(keyOf(p)) ?? null) !== p.expectedOffset);
    if (isMoved) return { kind: 'moved' };
    for (const position of batch.positions) this.positions.set(keyOf(position), position.nextOffset);
    this.batches.push(batch);
    if (scripted === 'answer lost') throw new AppError('unavailable', 'the connection broke');
    return { kind: 'written' };
  }
}

class TestPartition implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  isActive = true;
  resolved = -1;
  paused = false;
  readonly seeks: number[] = [];

  constructor(topic: string, partition = 0) {
    this.topic = topic;
    this.partition = partition;
  }
  resolve(): void {}
  resolveThrough(offset: number): void {
    this.resolved = Math.max(this.resolved, offset);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  seek(offset: number): void {
    this.seeks.push(offset);
  }
}

const known = new Map<string, AttemptRecord>();
const started: Recorder[] = [];
afterEach(async () => {
  for (const recorder of started.splice(0)) await recorder.stop();
});

async function recorderOn(log: MemoryLog, other: Partial<RecorderDependencies> = {}): Promise<Recorder> {
  const recorder = new Recorder({
    decodeAttempt: (value) => {
      const attempt = known.get(value.toString());
      if (attempt === undefined) throw new AppError('bad_request', 'the value is no attempt');
      return attempt;
    },
    readEvent: () => ({ kind: 'rejected', rejection: { reason: 'bad_framing', message: 'no Avro' } }),
    writeBatch: (batch) => log.writeBatch(batch),
    loadOffset: (topic, partition) => log.loadOffset(topic, partition),
    topics: TOPICS,
    log: createSilentLogger(),
    now: () => Date.now(),
    limits: { lingerMs: 1, records: 10 },
    ...other,
  });
  started.push(recorder);
  await recorder.start();
  return recorder;
}

function records(partition: AssignedPartition, from: number, count: number): ConsumedRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const attempt = anAttempt();
    known.set(attempt.attempt_id, attempt);
    return recordOf(partition, from + index, Buffer.from(attempt.attempt_id));
  });
}

function recordOf(partition: AssignedPartition, offset: number, value: Buffer | null): ConsumedRecord {
  const { topic } = partition;
  return { topic, partition: partition.partition, offset, timestampMs: Date.now(), key: null, value, headers: {} };
}

test('what was handed over is written once and then resolved', async () => {
  const log = new MemoryLog();
  const recorder = await recorderOn(log);
  const partition = new TestPartition(TOPICS.attempts);
  expect(await recorder.onAssigned(partition)).toBeNull();
  recorder.onRecords(partition, records(partition, 5, 25));
  await waitUntil(() => partition.resolved === 29);
  expect(log.attempts).toHaveLength(25);
  expect(log.positions.get('t.attempts/0')).toBe(30);
});

test('a partition starts where the log ends', async () => {
  const log = new MemoryLog();
  log.positions.set('t.attempts/0', 42);
  const recorder = await recorderOn(log);
  expect(await recorder.onAssigned(new TestPartition(TOPICS.attempts))).toBe(42);
});

test('a commit whose answer was lost is not written again', async () => {
  const log = new MemoryLog();
  log.script.push(() => 'answer lost');
  const recorder = await recorderOn(log);
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, records(partition, 0, 3));
  await waitUntil(() => partition.resolved === 2);
  expect(log.attempts).toHaveLength(3);
});

test('a recorder that another one overtook writes only what is left', async () => {
  const log = new MemoryLog();
  const [zombie, owner] = [await recorderOn(log), await recorderOn(log)];
  const [old, current] = [new TestPartition(TOPICS.attempts), new TestPartition(TOPICS.attempts)];
  await zombie.onAssigned(old);
  await owner.onAssigned(current);
  const all = records(current, 0, 8);
  owner.onRecords(current, all.slice(0, 6));
  await waitUntil(() => current.resolved === 5);
  zombie.onRecords(old, all);
  await waitUntil(() => old.resolved === 7);
  expect(log.attempts.map((attempt) => attempt.attempt_id)).toEqual(all.map(({ value }) => String(value)));
});

test('a log that went back is filled again from where it is', async () => {
  const log = new MemoryLog();
  log.positions.set('t.attempts/0', 10);
  const recorder = await recorderOn(log);
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  log.positions.set('t.attempts/0', 7);
  const all = records(partition, 7, 6);
  recorder.onRecords(partition, all.slice(3));
  await waitUntil(() => partition.seeks.length === 1);
  expect(partition.seeks).toEqual([7]);
  recorder.onRecords(partition, all);
  await waitUntil(() => partition.resolved === 12);
  expect(log.attempts).toHaveLength(6);
});

test('nothing is lost while PostgreSQL is down, and it says what it waits for', async () => {
  const log = new MemoryLog();
  for (let tries = 0; tries < 2; tries += 1) log.script.push(() => new AppError('unavailable', 'down'));
  const recorder = await recorderOn(log);
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, records(partition, 0, 3));
  await waitUntil(() => recorder.waitingFor.includes('PostgreSQL'));
  expect(partition.resolved).toBe(-1);
  await waitUntil(() => partition.resolved === 2);
  expect(recorder.waitingFor).toEqual([]);
  expect(log.attempts).toHaveLength(3);
});

test('a record that PostgreSQL refuses is kept raw and holds up nobody', async () => {
  const log = new MemoryLog();
  const partition = new TestPartition(TOPICS.attempts);
  const all = records(partition, 0, 8);
  const refused = String(all[5]?.value);
  const refuse = (batch: LogBatch) =>
    batch.attempts.some((attempt) => attempt.attempt_id === refused)
      ? ({ kind: 'refused', message: 'no' } as const)
      : log.writeBatch(batch);
  const recorder = await recorderOn(log, { writeBatch: async (batch) => refuse(batch) });
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, all);
  await waitUntil(() => partition.resolved === 7);
  expect(log.attempts).toHaveLength(7);
  expect(log.batches.flatMap((batch) => batch.deadLetters)).toMatchObject([{ offset: 5, reason: 'decode_failed' }]);
});

test.each([['not an attempt'], [null]])('an attempt record that cannot be read (%s) is kept raw', async (value) => {
  const log = new MemoryLog();
  const recorder = await recorderOn(log);
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, [recordOf(partition, 0, value === null ? null : Buffer.from(value))]);
  await waitUntil(() => partition.resolved === 0);
  expect(log.batches[0]?.deadLetters).toMatchObject([{ topic: 't.attempts', reason: 'decode_failed' }]);
});

test('a record that is no event leaves nothing in the archive and is resolved', async () => {
  const log = new MemoryLog();
  const recorder = await recorderOn(log);
  const partition = new TestPartition('events.screening');
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, [recordOf(partition, 3, Buffer.from('x'))]);
  await waitUntil(() => partition.resolved === 3);
  expect(log.batches).toMatchObject([{ events: [], deadLetters: [], positions: [{ nextOffset: 4 }] }]);
});

test('a registry that is out of reach holds up the archive and not the attempts', async () => {
  const log = new MemoryLog();
  let isDown = true;
  const event = { id: 'e1', type: 'a.b', source: '/s', time: '', tenantId: 't', subject: null, traceparent: null };
  const readEvent = async (): Promise<EventReadResult> => {
    if (isDown) throw new AppError('unavailable', 'down');
    return { kind: 'event', event: { ...event, body: Buffer.from('{}') } };
  };
  const recorder = await recorderOn(log, { readEvent });
  const [events, attempts] = [new TestPartition('events.a'), new TestPartition(TOPICS.attempts)];
  await recorder.onAssigned(events);
  await recorder.onAssigned(attempts);
  recorder.onRecords(events, [recordOf(events, 0, Buffer.from('x'))]);
  await waitUntil(() => recorder.waitingFor.includes('schema registry'));
  recorder.onRecords(attempts, records(attempts, 0, 1));
  await waitUntil(() => attempts.resolved === 0);
  expect(events.resolved).toBe(-1);
  isDown = false;
  await waitUntil(() => events.resolved === 0);
  expect(log.batches.flatMap((batch) => batch.events)).toHaveLength(1);
});

test('partitions pause while too much waits, and resume afterwards', async () => {
  const log = new MemoryLog();
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const writeBatch = async (batch: LogBatch) => {
    await gate;
    return log.writeBatch(batch);
  };
  const recorder = await recorderOn(log, { writeBatch, limits: { lingerMs: 1, records: 2, budgetBytes: 4_000 } });
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, records(partition, 0, 20));
  expect(partition.paused).toBe(true);
  release();
  await waitUntil(() => partition.resolved === 19);
  expect(partition.paused).toBe(false);
});

test('records of a lost partition are not written', async () => {
  const log = new MemoryLog();
  const recorder = await recorderOn(log);
  const [lost, kept] = [new TestPartition(TOPICS.attempts, 0), new TestPartition(TOPICS.attempts, 1)];
  await recorder.onAssigned(lost);
  await recorder.onAssigned(kept);
  recorder.onRecords(lost, records(lost, 0, 2));
  lost.isActive = false;
  recorder.onRevoked(lost);
  recorder.onRecords(kept, records(kept, 0, 2));
  await waitUntil(() => kept.resolved === 1);
  expect(log.attempts).toHaveLength(2);
  expect([...log.positions.keys()]).toEqual(['t.attempts/1']);
});

test('a stop writes what was handed over', async () => {
  const log = new MemoryLog();
  const recorder = await recorderOn(log, { limits: { lingerMs: 60_000 } });
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, records(partition, 0, 3));
  await recorder.stop();
  expect(partition.resolved).toBe(2);
  await recorder.stop();
});

test('a stop does not wait for PostgreSQL to come back', async () => {
  const log = new MemoryLog();
  const writeBatch = async () => {
    throw new AppError('unavailable', 'down');
  };
  const recorder = await recorderOn(log, { writeBatch });
  const partition = new TestPartition(TOPICS.attempts);
  await recorder.onAssigned(partition);
  recorder.onRecords(partition, records(partition, 0, 3));
  await waitUntil(() => recorder.waitingFor.length > 0);
  await recorder.stop();
  expect(partition.resolved).toBe(-1);
});

test('the codes and raw headers of dead letters are kept', async () => {
  const log = new MemoryLog();
  const recorder = await recorderOn(log);
  const partition = new TestPartition(TOPICS.deadEvents);
  await recorder.onAssigned(partition);
  const headers = { 'posthorn-reason': 'bad_framing', ce_id: 'e1', binary: [Buffer.from([0xff, 0]), 'text'] };
  recorder.onRecords(partition, [{ ...recordOf(partition, 0, Buffer.from([0, 1])), headers }]);
  await waitUntil(() => partition.resolved === 0);
  const letter = log.batches[0]?.deadLetters[0];
  expect(letter).toMatchObject({ reason: 'bad_framing', eventId: 'e1', value: Buffer.from([0, 1]) });
  expect(JSON.parse(letter?.headers ?? '')).toEqual({
    'posthorn-reason': [btoa('bad_framing')],
    ce_id: [btoa('e1')],
    binary: ['/wA=', btoa('text')],
  });
});
