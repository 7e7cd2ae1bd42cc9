import { expect, test } from 'vitest';
import { PartitionState } from '../../../../src/infrastructure/kafka/partition-state.ts';

/** A partition of which 0 to 4 were read and 1 was resolved; the commit of that is on its way. */
function createState() {
  const state = new PartitionState({ topic: 'deliveries', partition: 0 }, 1000, {
    pauseFetch: () => {},
    resumeFetch: () => {},
    seekFetch: () => {},
    resolved: () => {},
  });
  state.begin(0, new Set([7]));
  state.receive([0, 1, 2, 3, 4], 4);
  state.resolve(1);
  state.draftCommit();
  return state;
}

test('a commit that says what we know is ours, also when its answer was lost', () => {
  expect(createState().ownsCommit(0, new Set([1, 7]))).toBe(true);
});

test('an earlier commit of ours, which says less, is ours', () => {
  expect(createState().ownsCommit(0, new Set([7]))).toBe(true);
});

test('a commit at another offset is not ours', () => {
  expect(createState().ownsCommit(1, new Set())).toBe(false);
});

test.each([2, 6])('a commit at our offset by which record %i is completed is that of another owner', (offset) => {
  expect(createState().ownsCommit(0, new Set([1, offset]))).toBe(false);
});
