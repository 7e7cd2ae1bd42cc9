import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import { type DeliveryProgress, lastWords, laterOf } from '../../../src/domain/delivery-log.ts';
import { anAttempt } from '../../support/attempts.ts';

const DELIVERY = '00000000-0000-4000-8000-000000000001';

function attempt(fields: Partial<AttemptRecord>): AttemptRecord {
  return anAttempt({ delivery_id: DELIVERY, ...fields });
}

const anyRecord = fc
  .record({
    delivery: fc.integer({ min: 1, max: 3 }),
    attempt: fc.integer({ min: 1, max: 4 }),
    kind: fc.constantFrom<AttemptRecord['kind']>('attempted', 'set_aside', 'ended', 'webhook_state', 'unknown'),
    outcome: fc.constantFrom<AttemptRecord['outcome']>('succeeded', 'retrying', 'dead', 'waiting', 'unknown'),
    started_at_ms: fc.integer({ min: 0, max: 5 }),
    attempt_id: fc.uuid(),
  })
  .map(({ delivery, ...fields }) =>
    attempt({ ...fields, delivery_id: `00000000-0000-4000-8000-00000000000${delivery}` }),
  );

function sorted(words: readonly DeliveryProgress[]): DeliveryProgress[] {
  return words.toSorted((one, other) => one.word.delivery_id.localeCompare(other.word.delivery_id));
}

test('order and repeats of the records do not change the last word', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (records, numbers) => {
      const shuffled = [...records, ...records.slice(0, 3)]
        .map((record) => ({ record, rank: numbers.next().value ?? 0 }))
        .toSorted((one, other) => one.rank - other.rank)
        .map(({ record }) => record);
      expect(sorted(lastWords(shuffled))).toEqual(sorted(lastWords(records)));
    }),
  );
});

test('batches joined one after the other say the same as all records at once', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 12 }), fc.nat(12), (records, cut) => {
      const joined = new Map<string, DeliveryProgress>();
      for (const progress of [...lastWords(records.slice(0, cut)), ...lastWords(records.slice(cut))]) {
        const known = joined.get(progress.word.delivery_id);
        joined.set(progress.word.delivery_id, known === undefined ? progress : laterOf(known, progress));
      }
      expect(sorted([...joined.values()])).toEqual(sorted(lastWords(records)));
    }),
  );
});

test('a later attempt has the last word although the clock of its worker is behind', () => {
  const [progress] = lastWords([
    attempt({ attempt: 2, outcome: 'succeeded', started_at_ms: 1_000 }),
    attempt({ attempt: 1, outcome: 'retrying', started_at_ms: 9_000 }),
  ]);
  expect(progress).toMatchObject({ status: 'succeeded', attempts: 2, lastAttemptAtMs: 9_000 });
});

test('an attempt has the last word over being set aside before it', () => {
  const [progress] = lastWords([
    attempt({ attempt: 2, kind: 'attempted', outcome: 'dead', started_at_ms: 1_000 }),
    attempt({ attempt: 2, kind: 'set_aside', outcome: 'waiting', started_at_ms: 2_000 }),
  ]);
  expect(progress?.status).toBe('failed');
});

test('a delivery that was only set aside has had no attempt', () => {
  const [progress] = lastWords([attempt({ kind: 'set_aside', outcome: 'waiting' })]);
  expect(progress).toMatchObject({ status: 'waiting', attempts: 0, lastAttemptAtMs: null });
});

test('a report on the state of a webhook is of no delivery', () => {
  expect(lastWords([attempt({ kind: 'webhook_state' })])).toEqual([]);
});
