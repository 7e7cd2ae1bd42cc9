import { expect, test } from 'vitest';
import { createSilentLogger } from '../../../../src/infrastructure/telemetry/logger.ts';
import { Retention } from '../../../../src/processes/recorder/retention.ts';
import { waitUntil } from '../../../support/wait-until.ts';

test('days are tidied at start and again at each interval', async () => {
  let rounds = 0;
  const tidyDays = async () => {
    rounds += 1;
    return [];
  };
  const retention = new Retention({ tidyDays, log: createSilentLogger(), intervalMs: 5 });
  await retention.start();
  await waitUntil(() => rounds >= 3);
  await retention.stop();
  const roundsAtStop = rounds;
  await retention.stop();
  expect(rounds).toBe(roundsAtStop);
});

test('a PostgreSQL that is down is asked again within the same round', async () => {
  let tries = 0;
  const tidyDays = async () => {
    tries += 1;
    if (tries === 1) throw new Error('down');
    return ['attempts_2026_01_01'];
  };
  const retention = new Retention({ tidyDays, log: createSilentLogger() });
  await retention.start();
  await waitUntil(() => tries === 2);
  await retention.stop();
});

test('a stop waits for the round that is under way', async () => {
  let finish: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let isDone = false;
  const tidyDays = async () => {
    await gate;
    isDone = true;
    return [];
  };
  const retention = new Retention({ tidyDays, log: createSilentLogger() });
  await retention.start();
  const stopping = retention.stop();
  finish();
  await stopping;
  expect(isDone).toBe(true);
});
