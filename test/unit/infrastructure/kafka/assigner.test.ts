import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assignPartitions, type Subscription } from '../../../../src/infrastructure/kafka/assigner.ts';

const TOPICS = ['deliveries', 'overflow', 'ready'];
const twelve = () => Array.from({ length: 12 }, (_, index) => index).reverse();
const NOTHING: ReadonlySet<string> = new Set();
const members = (...ids: string[]): Subscription[] =>
  ids.map((memberId) => ({ memberId, topics: new Set(TOPICS), owned: NOTHING }));

/** Owners of the delivery partitions after the members changed one after the other; they keep what they have had. */
function ownersAfter(...groups: readonly (readonly string[])[]): Map<number, string> {
  let owners = new Map<number, string>();
  for (const ids of groups) {
    const joining = members(...ids).map((member) => ({
      ...member,
      owned: new Set([...owners].filter(([, id]) => id === member.memberId).map(([p]) => `deliveries/${p}`)),
    }));
    const assignments = assignPartitions(joining, TOPICS, twelve, new Set(TOPICS));
    owners = new Map([...assignments].flatMap(([id, { deliveries = [] }]) => deliveries.map((p) => [p, id] as const)));
  }
  return owners;
}

function moves(before: Map<number, string>, after: Map<number, string>): string[] {
  return [...before].filter(([partition, id]) => after.get(partition) !== id).map(([, id]) => id);
}

test.each([2, 3, 4, 5, 7])('when one of %i members leaves, the others keep all that they have', (count) => {
  const all = Array.from({ length: count }, (_, index) => `m${index}`);
  for (const leaving of all) {
    const rest = all.filter((id) => id !== leaving);
    expect(new Set(moves(ownersAfter(all), ownersAfter(all, rest)))).toEqual(new Set([leaving]));
  }
});

test('a member that joins takes no more than its share, and one that comes back gets its own again', () => {
  const two = ownersAfter(['a', 'b']);
  expect(moves(two, ownersAfter(['a', 'b'], ['a', 'b', 'c'])).length).toBe(4);
  const three = ownersAfter(['a', 'b', 'c']);
  expect(ownersAfter(['a', 'b', 'c'], ['a', 'c'], ['a', 'b', 'c'])).toEqual(three);
});

test('whatever members had before, each partition is with one of them and their counts differ by one at most', () => {
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(names, { minLength: 1, maxLength: 6 }), (groups) => {
      const owners = ownersAfter(...groups);
      expect(owners.size).toBe(12);
      const counts = (groups.at(-1) ?? []).map((id) => [...owners.values()].filter((owner) => owner === id).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
  );
});

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
  const old = { memberId: 'a', topics: new Set(['events.case']), owned: NOTHING };
  const fresh = { memberId: 'b', topics: new Set(['events.case', 'events.new']), owned: NOTHING };
  const assignments = assignPartitions([old, fresh], ['events.case', 'events.new'], () => [0, 1], new Set());
  expect(assignments.get('a')?.['events.new']).toBeUndefined();
  expect(assignments.get('b')?.['events.new']).toEqual([0, 1]);
});
