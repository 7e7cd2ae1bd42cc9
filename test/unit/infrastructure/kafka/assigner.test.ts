import { expect, test } from 'vitest';
import { assignPartitions } from '../../../../src/infrastructure/kafka/assigner.ts';

const TOPICS = ['deliveries', 'overflow', 'ready'];
const twelve = () => Array.from({ length: 12 }, (_, index) => index).reverse();
const members = (...ids: string[]) => ids.map((memberId) => ({ memberId, topics: new Set(TOPICS) }));

test.each([1, 2, 3, 5, 8])('with %i members, partition p of all delivery topics is with one member', (count) => {
  const ids = Array.from({ length: count }, (_, index) => `m${index}`);
  const assignments = assignPartitions(members(...ids), TOPICS, twelve, new Set(TOPICS));
  const owners = (topic: string, partition: number) =>
    [...assignments].filter(([, assignment]) => assignment[topic]?.includes(partition)).map(([id]) => id);
  for (let partition = 0; partition < 12; partition++) {
    expect(owners('deliveries', partition)).toHaveLength(1);
    expect(owners('overflow', partition)).toEqual(owners('deliveries', partition));
    expect(owners('ready', partition)).toEqual(owners('deliveries', partition));
  }
});

test('the order in which members and partitions are listed makes no difference', () => {
  const forwards = assignPartitions(members('a', 'b'), TOPICS, twelve, new Set(TOPICS));
  const backwards = assignPartitions(
    members('b', 'a'),
    TOPICS.toReversed(),
    () => twelve().toReversed(),
    new Set(TOPICS),
  );
  expect([...backwards]).toEqual([...forwards]);
});

test('topics without the rule are dealt out one partition at a time', () => {
  const assignments = assignPartitions(members('a', 'b', 'c'), ['deliveries'], () => [0, 1, 2, 3, 4], new Set());
  expect(Object.fromEntries(assignments)).toEqual({
    a: { deliveries: [0, 3] },
    b: { deliveries: [1, 4] },
    c: { deliveries: [2] },
  });
});

test('a member that does not know a topic yet is given none of it', () => {
  const old = { memberId: 'a', topics: new Set(['events.case']) };
  const fresh = { memberId: 'b', topics: new Set(['events.case', 'events.new']) };
  const assignments = assignPartitions([old, fresh], ['events.case', 'events.new'], () => [0, 1], new Set());
  expect(assignments.get('a')?.['events.new']).toBeUndefined();
  expect(assignments.get('b')?.['events.new']).toEqual([0, 1]);
});
