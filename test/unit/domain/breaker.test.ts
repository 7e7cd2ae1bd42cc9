import { expect, test } from 'vitest';
import { afterFailure, type Breaker, blockedUntilMs, CLOSED_BREAKER } from '../../../src/domain/breaker.ts';

function failures(count: number, breaker: Breaker, nowMs: number): Breaker {
  return Array.from({ length: count }).reduce<Breaker>((state) => afterFailure(state, nowMs), breaker);
}

test('it opens at the tenth failure in a row, for five seconds', () => {
  expect(blockedUntilMs(failures(9, CLOSED_BREAKER, 1_000))).toBe(0);
  expect(blockedUntilMs(failures(10, CLOSED_BREAKER, 1_000))).toBe(6_000);
});

test('requests that were under way when it opened and fail too do not keep it open for longer', () => {
  expect(blockedUntilMs(failures(32, CLOSED_BREAKER, 1_000))).toBe(6_000);
});

test('each probe that fails doubles the pause, up to five minutes', () => {
  let breaker = failures(10, CLOSED_BREAKER, 0);
  const pausesMs: number[] = [];
  for (let probe = 0; probe < 8; probe++) {
    const probedAtMs = blockedUntilMs(breaker);
    breaker = afterFailure(breaker, probedAtMs);
    pausesMs.push(blockedUntilMs(breaker) - probedAtMs);
  }
  expect(pausesMs).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
});
