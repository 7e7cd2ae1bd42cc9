import { beforeEach, expect, test } from 'vitest';
import { type DemoArrival, DemoLedger } from '../../../src/local/demo-ledger.ts';

let ledger: DemoLedger;
beforeEach(() => {
  ledger = new DemoLedger();
});

const event = { id: 'e1', type: 'case.opened' };

function arrival(differing: Partial<DemoArrival> = {}): DemoArrival {
  const received = { eventId: 'e1', type: 'case.opened', webhook: 'cases', isOurs: true, attempt: 1, latencyMs: 10 };
  return { ...received, status: 200, verified: 'verified', ...differing };
}

test('a round is settled and flawless when every webhook has accepted its event', async () => {
  ledger.expect(event, ['cases', 'everything']);
  ledger.note(arrival());
  expect(ledger.isFlawless()).toBe(false);
  expect(ledger.missing()).toEqual([{ eventId: 'e1', type: 'case.opened', webhook: 'everything' }]);

  ledger.note(arrival({ webhook: 'everything', latencyMs: 30 }));

  await ledger.untilSettled();
  expect(ledger.isFlawless()).toBe(true);
  expect(ledger.totals()).toMatchObject({ events: 1, deliveries: 2, verified: 2, retries: 0, p50Ms: 10, p95Ms: 30 });
});

test('an attempt that was answered with 500 counts as a delivery only when the retry is accepted', () => {
  ledger.expect(event, ['cases']);
  ledger.note(arrival({ status: 500 }));
  expect(ledger.missing()).toHaveLength(1);

  ledger.note(arrival({ attempt: 2, latencyMs: 5_000 }));

  expect(ledger.isFlawless()).toBe(true);
  expect(ledger.totals()).toMatchObject({ deliveries: 1, verified: 2, retries: 1, p95Ms: 10 });
});

test('a wrong signature is a flaw, also when everything arrived', () => {
  ledger.expect(event, ['cases']);
  ledger.note(arrival({ verified: 'refused' }));
  expect(ledger.missing()).toEqual([]);
  expect(ledger.isFlawless()).toBe(false);
});

test('an event at a webhook that did not ask for it is a flaw', () => {
  ledger.expect(event, ['cases']);
  ledger.note(arrival());
  ledger.note(arrival({ webhook: 'screening' }));
  expect(ledger.unexpected()).toHaveLength(1);
  expect(ledger.isFlawless()).toBe(false);
});

test('a delivery that comes again is a repeat and no flaw: delivery is at least once', () => {
  ledger.expect(event, ['cases']);
  ledger.note(arrival());
  ledger.note(arrival());
  expect(ledger.totals()).toMatchObject({ deliveries: 1, repeats: 1 });
  expect(ledger.isFlawless()).toBe(true);
});

test('what somebody tries out beside the demo does not count', () => {
  ledger.expect(event, ['cases']);
  ledger.note(arrival({ isOurs: false, verified: 'no_secret', webhook: '/yours' }));
  ledger.note(arrival({ type: 'test', eventId: 'other' }));
  expect(ledger.totals()).toMatchObject({ deliveries: 0, verified: 0, refused: 0 });
  expect(ledger.unexpected()).toEqual([]);
});

test('nothing at all is not flawless', () => {
  expect(ledger.isFlawless()).toBe(false);
});
