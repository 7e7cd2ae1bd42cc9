import { expect, test } from 'vitest';
import { Repeats } from '../../../src/domain/repeats.ts';

const step = (attempt = 1, rewrites = 0, deliveryId = 'd1') => ({ deliveryId, attempt, rewrites });

test('what arrives for the first time is fresh', () => {
  expect(new Repeats(10).judge(step())).toBe('fresh');
});

test('a step that is being handled is running, until it is settled or abandoned', () => {
  const repeats = new Repeats(10);
  repeats.begin(step());
  expect(repeats.judge(step())).toBe('running');
  repeats.abandon(step());
  expect(repeats.judge(step())).toBe('fresh');
});

test('an accepted delivery has no further steps', () => {
  const repeats = new Repeats(10);
  repeats.settle(step(), true);
  expect(repeats.judge(step())).toBe('settled');
  expect(repeats.judge(step(2))).toBe('settled');
});

test('a failed attempt is settled and its retry is fresh', () => {
  const repeats = new Repeats(10);
  repeats.settle(step(1), false);
  expect(repeats.judge(step(1))).toBe('settled');
  expect(repeats.judge(step(2))).toBe('fresh');
});

test('an attempt that was set aside comes back fresh', () => {
  const repeats = new Repeats(10);
  repeats.settle(step(1, 0), false);
  expect(repeats.judge(step(1, 1))).toBe('fresh');
});

test('the end of an earlier step says nothing of a later one that runs or has ended', () => {
  const repeats = new Repeats(10);
  repeats.begin(step(1));
  repeats.begin(step(2));
  repeats.settle(step(1), false);
  expect(repeats.judge(step(2))).toBe('running');
  repeats.settle(step(2), true);
  repeats.settle(step(1), false);
  expect(repeats.judge(step(3))).toBe('settled');
});

test('giving up an earlier step leaves a later one running', () => {
  const repeats = new Repeats(10);
  repeats.begin(step(1));
  repeats.begin(step(2));
  repeats.abandon(step(1));
  expect(repeats.judge(step(2))).toBe('running');
});

test('memory is bounded: the oldest is forgotten first', () => {
  const repeats = new Repeats(2);
  for (const id of ['a', 'b', 'c']) repeats.settle(step(1, 0, id), true);
  expect(repeats.size).toBe(2);
  expect(repeats.judge(step(1, 0, 'a'))).toBe('fresh');
  expect(repeats.judge(step(1, 0, 'c'))).toBe('settled');
});
