import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import { type FailureStreak, failureStreaks } from '../../../src/domain/failure-streak.ts';
import { anAttempt } from '../../support/attempts.ts';

const WEBHOOK = '00000000-0000-4000-8000-000000000001';

function attempt(atMs: number, outcome: AttemptRecord['outcome'], fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return anAttempt({
    webhook_id: WEBHOOK,
    started_at_ms: atMs,
    duration_us: 0,
    outcome,
    webhook_version: 3,
    ...fields,
  });
}

function streakOf(...records: AttemptRecord[]): FailureStreak | undefined {
  return failureStreaks(records)[0];
}

test('failures after the last success count, by the time at which attempts ended', () => {
  const slow = attempt(10, 'succeeded', { duration_us: 40_000 });
  expect(streakOf(slow, attempt(20, 'retrying'), attempt(60, 'retrying'), attempt(70, 'dead'))).toEqual({
    webhookId: WEBHOOK,
    succeeded: { version: 3, atMs: 50 },
    failing: { version: 3, sinceMs: 60, lastMs: 70 },
  });
});

test('a success after the failures ends them', () => {
  expect(streakOf(attempt(10, 'retrying'), attempt(20, 'succeeded'))?.failing).toBeNull();
});

test('a change of the webhook begins a new streak', () => {
  expect(streakOf(attempt(10, 'retrying'), attempt(20, 'retrying', { webhook_version: 4 }))?.failing).toEqual({
    version: 4,
    sinceMs: 20,
    lastMs: 20,
  });
});

test('what was not attempted says nothing', () => {
  const note = attempt(10, 'waiting', { kind: 'set_aside' });
  expect(failureStreaks([note, attempt(20, 'dead', { kind: 'ended' })])).toEqual([]);
});

test('the order of the records does not matter', () => {
  const anyAttempt = fc
    .record({
      atMs: fc.integer({ min: 0, max: 9 }),
      outcome: fc.constantFrom<AttemptRecord['outcome']>('succeeded', 'retrying', 'dead'),
      webhook_version: fc.integer({ min: 1, max: 3 }),
      rank: fc.nat(),
    })
    .map(({ atMs, outcome, rank, ...fields }) => ({ rank, record: attempt(atMs, outcome, fields) }));
  fc.assert(
    fc.property(fc.array(anyAttempt, { minLength: 1, maxLength: 10 }), (ranked) => {
      const shuffled = ranked.toSorted((one, other) => one.rank - other.rank);
      expect(streakOf(...shuffled.map(({ record }) => record))).toEqual(
        streakOf(...ranked.map(({ record }) => record)),
      );
    }),
  );
});
