import { expect, test } from 'vitest';
import { TokenBuckets } from '../../../src/domain/token-bucket.ts';

test('a burst is allowed, then the steady rate', () => {
  const buckets = new TokenBuckets({ burst: 3, perSecond: 2 });

  expect([1, 2, 3, 4].map(() => buckets.take('a', 0))).toEqual([0, 0, 0, 500]);
  expect(buckets.take('a', 400)).toBe(100);
  expect(buckets.take('a', 500)).toBe(0);
  expect(buckets.take('a', 500)).toBe(500);
});

test('a rest fills the bucket, and no more than that', () => {
  const buckets = new TokenBuckets({ burst: 2, perSecond: 1 });
  for (let count = 0; count < 2; count += 1) buckets.take('a', 0);

  expect([1, 2, 3].map(() => buckets.take('a', 1_000_000))).toEqual([0, 0, 1_000]);
});

test('owners do not share', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 1 });
  buckets.take('a', 0);

  expect(buckets.take('b', 0)).toBe(0);
});

test('looking takes nothing', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 1 });

  expect([buckets.peek('a', 0), buckets.peek('a', 0), buckets.take('a', 0), buckets.peek('a', 0)]).toEqual([
    0, 0, 0, 1_000,
  ]);
});

test('a clock that goes back neither gives nor takes', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 1 });
  buckets.take('a', 5_000);

  expect(buckets.take('a', 0)).toBe(1_000);
  expect(buckets.take('a', 6_000)).toBe(0);
});

test('forgetting owners with full buckets does not forget those who used theirs up', () => {
  const buckets = new TokenBuckets({ burst: 1, perSecond: 0.001 });
  buckets.take('spent', 0);
  for (let count = 0; count < 30_000; count += 1) buckets.peek(`owner ${count}`, 1);

  expect(buckets.take('spent', 1)).toBeGreaterThan(0);
});
