import { expect, test } from 'vitest';
import { RepeatGuard } from '../../../../src/processes/delivery/repeat-guard.ts';
import { createDelivery, createPartition, jobOf } from './engine-parts.ts';

test('a repeat waits for the step that it repeats and is dropped with it', () => {
  const guard = new RepeatGuard(() => {});
  const { partition, resolved } = createPartition();
  const job = jobOf(partition, 0, createDelivery());
  const repeat = jobOf(partition, 1, createDelivery());
  expect(guard.admit(job)).toBe(true);
  expect(guard.admit(repeat)).toBe(false);
  expect(resolved).toEqual([]);
  for (const follower of guard.settled(job, true)) expect(guard.admit(follower)).toBe(false);
  expect(resolved).toEqual([1]);
});

test('the end of an earlier attempt drops no repeats of a later one that still runs', () => {
  const guard = new RepeatGuard(() => {});
  const { partition, resolved } = createPartition();
  const first = jobOf(partition, 0, createDelivery({ attempt: 1 }));
  const second = jobOf(partition, 1, createDelivery({ attempt: 2 }));
  const repeat = jobOf(partition, 2, createDelivery({ attempt: 2 }));
  expect([first, second, repeat].map((job) => guard.admit(job))).toEqual([true, true, false]);
  for (const follower of guard.settled(first, false)) expect(guard.admit(follower)).toBe(false);
  expect(resolved).toEqual([]);
  for (const follower of guard.settled(second, true)) expect(guard.admit(follower)).toBe(false);
  expect(resolved).toEqual([2]);
});

test('a repeat takes the place of a job that was given up', () => {
  const guard = new RepeatGuard(() => {});
  const { partition } = createPartition();
  const job = jobOf(partition, 0, createDelivery());
  const repeat = jobOf(partition, 1, createDelivery());
  guard.admit(job);
  guard.admit(repeat);
  expect(guard.abandoned(job)).toEqual([repeat]);
  expect(guard.admit(repeat)).toBe(true);
});
