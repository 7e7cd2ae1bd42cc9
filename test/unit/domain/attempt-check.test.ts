import { expect, test } from 'vitest';
import { attemptFlaw, withDeliveryId } from '../../../src/domain/attempt-check.ts';
import { anAttempt } from '../../support/attempts.ts';

test('a sound attempt has no flaw', () => {
  expect(attemptFlaw(anAttempt())).toBeNull();
});

test.each([
  [{ attempt_id: 'not a uuid' }, 'attempt_id'],
  [{ delivery_id: '' }, 'delivery_id'],
  [{ webhook_id: 'F67F165D-0D1E-4EB7-81E6-3494A260DCD4' }, 'webhook_id'],
  [{ event_id: 'x'.repeat(256) }, 'event_id'],
  [{ attempt: 2 ** 31 }, 'attempt'],
  [{ status_code: -1 }, 'status_code'],
])('%j is a flaw of %s', (fields, name) => {
  expect(attemptFlaw(anAttempt(fields))).toMatch(new RegExp(`^${name} `));
});

test('a report on the state of a webhook needs no delivery', () => {
  expect(attemptFlaw(withDeliveryId(anAttempt({ kind: 'webhook_state', delivery_id: '' })))).toBeNull();
  expect(attemptFlaw(withDeliveryId(anAttempt({ kind: 'attempted', delivery_id: '' })))).not.toBeNull();
});
