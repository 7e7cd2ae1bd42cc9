import { afterEach, expect, test } from 'vitest';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { DependencyWatch } from '../../../src/processes/dependency-watch.ts';
import { waitUntil } from '../../support/wait-until.ts';

const watches: DependencyWatch[] = [];

afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop();
});

function watchOf(ask: () => Promise<void>, timeoutMs = 1_000): { watch: DependencyWatch; waitsFor: () => unknown } {
  const dependencies = [{ name: 'kafka', ask }];
  const watch = new DependencyWatch({ dependencies, log: createSilentLogger(), intervalMs: 10, timeoutMs });
  watches.push(watch);
  return { watch, waitsFor: () => watch.checks[0]?.check() };
}

test('nothing is there before it has answered', async () => {
  const { watch, waitsFor } = watchOf(async () => undefined);
  expect(waitsFor()).toBe('not asked yet');
  await watch.start();
  await waitUntil(() => waitsFor() === null);
  expect(watch.states()).toEqual([{ name: 'kafka', isUp: true }]);
});

test('one failure does not count, two in a row do, and an answer ends it', async () => {
  const answers = [true, false, true, false, false];
  let asked = 0;
  let isBack = false;
  const seen: unknown[] = [];
  const { watch, waitsFor } = watchOf(async () => {
    seen.push(waitsFor());
    const answer = answers[asked] ?? isBack;
    asked += 1;
    if (!answer) throw new Error('no broker answers');
  });
  await watch.start();
  await waitUntil(() => waitsFor() === 'no broker answers');
  expect(seen.slice(0, 5)).toEqual(['not asked yet', null, null, null, null]);
  isBack = true;
  await waitUntil(() => waitsFor() === null);
});

test('who never answers is away, is not asked again meanwhile, and holds up no stop', async () => {
  let asked = 0;
  const { watch, waitsFor } = watchOf(() => {
    asked += 1;
    return asked === 1 ? Promise.resolve() : new Promise(() => undefined);
  }, 20);
  await watch.start();
  await waitUntil(() => waitsFor() === 'does not answer in time');
  expect(asked).toBe(2);
  const startedMs = performance.now();
  await watch.stop();
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});
