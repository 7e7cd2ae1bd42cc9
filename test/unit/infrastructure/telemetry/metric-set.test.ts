import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { MetricSet } from '../../../../src/infrastructure/telemetry/metric-set.ts';

function setOf(): { set: MetricSet; lines: () => Promise<string[]> } {
  const registry = new Registry();
  const lines = async () =>
    (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return { set: new MetricSet(registry), lines };
}

test('a counter adds up by labels, and shows the same when it is read again', async () => {
  const { set, lines } = setOf();
  const counter = set.counter({ name: 'posthorn_things_total', help: 'Things', labels: ['kind'] });
  counter.of('a').value += 1;
  counter.of('b').value += 2;
  counter.of('a').value += 3;
  const expected = ['posthorn_things_total{kind="a"} 4', 'posthorn_things_total{kind="b"} 2'];
  expect(await lines()).toEqual(expected);
  expect(await lines()).toEqual(expected);
});

test('a counter without labels is there from the start', async () => {
  const { set, lines } = setOf();
  set.counter({ name: 'posthorn_things_total', help: 'Things' });
  expect(await lines()).toEqual(['posthorn_things_total 0']);
});

test('a counter takes no more lines than it can bear, and loses no count', async () => {
  const { set, lines } = setOf();
  const counter = set.counter({ name: 'posthorn_things_total', help: 'Things', labels: ['kind', 'place'] });
  for (let index = 0; index < 2_000; index++) counter.of(`kind ${index}`, 'here').value += 1;
  const shown = await lines();
  expect(shown).toHaveLength(501);
  expect(shown.at(-1)).toBe('posthorn_things_total{kind="other",place="other"} 1500');
});

test('a histogram counts a value in its bucket and in all wider ones', async () => {
  const { set, lines } = setOf();
  const histogram = set.histogram({ name: 'posthorn_wait_seconds', help: 'Waits', labels: ['kind'] }, [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.of('a').observe(value);
  expect(await lines()).toEqual([
    'posthorn_wait_seconds_bucket{kind="a",le="0.1"} 2',
    'posthorn_wait_seconds_bucket{kind="a",le="1"} 3',
    'posthorn_wait_seconds_bucket{kind="a",le="+Inf"} 4',
    'posthorn_wait_seconds_sum{kind="a"} 7.65',
    'posthorn_wait_seconds_count{kind="a"} 4',
  ]);
});

test('a gauge has no lines until somebody can be asked, and then asks each time', async () => {
  const { set, lines } = setOf();
  const plain = set.gauge({ name: 'posthorn_queue_records', help: 'Queue' });
  const split = set.gauge({ name: 'posthorn_lanes', help: 'Lanes', labels: ['class'] });
  expect(await lines()).toEqual([]);
  let size = 1;
  plain.from(() => [[[], size]]);
  split.from(() => [[['healthy'], size * 10]]);
  expect(await lines()).toEqual(['posthorn_queue_records 1', 'posthorn_lanes{class="healthy"} 10']);
  size = 2;
  expect(await lines()).toEqual(['posthorn_queue_records 2', 'posthorn_lanes{class="healthy"} 20']);
});
