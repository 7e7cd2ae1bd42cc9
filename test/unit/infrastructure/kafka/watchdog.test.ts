import { expect, test } from 'vitest';
import { PartitionState } from '../../../../src/infrastructure/kafka/partition-state.ts';
import { Watchdog } from '../../../../src/infrastructure/kafka/watchdog.ts';
import { createSilentLogger } from '../../../../src/infrastructure/telemetry/logger.ts';

const SILENCE_MS = 90_000;
const CHECK_EVERY_MS = 30_000;

/** A watchdog over partition 0 of one topic, led by broker 1, which ends at `end`; we have read up to `position`. */
function watch({ end = 10, position = 0, isDown = false, isPaused = false } = {}) {
  const state = new PartitionState({ topic: 'deliveries', partition: 0 }, 1000, {
    pauseFetch: () => undefined,
    resumeFetch: () => undefined,
    seekFetch: () => undefined,
    resolved: () => undefined,
  });
  state.begin(position, new Set());
  if (isPaused) state.pause();
  const stuck: string[] = [];
  const clock = { nowMs: 0 };
  const answer = <T>(value: T) => (isDown ? Promise.reject(new Error('no broker')) : Promise.resolve(value));
  const partitions = [{ partitionErrorCode: 0, partitionId: 0, leader: 1, replicas: [1], isr: [1] }];
  const watchdog = new Watchdog({
    admin: {
      fetchTopicMetadata: () => answer({ topics: [{ name: 'deliveries', partitions }] }),
      fetchTopicOffsets: () => answer([{ partition: 0, offset: String(end), high: String(end), low: '0' }]),
    },
    partitions: () => [state],
    silenceMs: SILENCE_MS,
    now: () => clock.nowMs,
    onStuck: (where) => stuck.push(where),
    log: createSilentLogger(),
  });
  /** Lets time pass with the checks that fall into it. */
  const pass = async (ms: number) => {
    for (const endMs = clock.nowMs + ms; clock.nowMs < endMs; ) {
      clock.nowMs = Math.min(clock.nowMs + CHECK_EVERY_MS, endMs);
      await watchdog.check();
    }
  };
  return { watchdog, stuck, clock, pass };
}

test('a partition with records that no fetch has answered for is stuck', async () => {
  const { watchdog, stuck, pass } = watch();
  watchdog.noteFetch(1);
  await pass(SILENCE_MS + 1);
  expect(stuck).toEqual(['deliveries/0']);
});

test('another broker that answers does not hide a silent one', async () => {
  const { watchdog, stuck, pass } = watch();
  await pass(SILENCE_MS);
  watchdog.noteFetch(2);
  await pass(1);
  expect(stuck).toEqual(['deliveries/0']);
});

test.each([
  ['fetches are answered', {}, true],
  ['it has no records', { end: 5, position: 5 }, false],
  ['we have paused it', { isPaused: true }, false],
  ['Kafka cannot be asked', { isDown: true }, false],
])('a partition is not stuck when %s', async (_, situation, isAnswered) => {
  const { watchdog, stuck, pass } = watch(situation);
  await pass(SILENCE_MS);
  if (isAnswered) watchdog.noteFetch(1);
  await pass(1);
  expect(stuck).toEqual([]);
});

test('a join starts the silence anew', async () => {
  const { watchdog, stuck, pass } = watch();
  await pass(SILENCE_MS);
  watchdog.noteJoin();
  await pass(1);
  expect(stuck).toEqual([]);
});

test('a process that was frozen for long is not stuck when it wakes', async () => {
  const { watchdog, stuck, clock, pass } = watch();
  await pass(CHECK_EVERY_MS);
  clock.nowMs += 2 * SILENCE_MS;
  await watchdog.check();
  expect(stuck).toEqual([]);
  await pass(SILENCE_MS + 1);
  expect(stuck).toEqual(['deliveries/0']);
});

test('a process that was frozen in the middle of a check is not stuck when it wakes', async () => {
  const { watchdog, stuck, clock, pass } = watch();
  await pass(CHECK_EVERY_MS);
  const check = watchdog.check();
  clock.nowMs += 2 * SILENCE_MS;
  await check;
  expect(stuck).toEqual([]);
});
