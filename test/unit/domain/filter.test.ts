import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { filterProblem } from '../../../src/domain/filter.ts';

const field = (value: unknown) => ({ data: { field: value } });

const ACCEPTED: readonly { readonly pattern: Record<string, unknown> }[] = [
  { pattern: {} },
  { pattern: field('scalar') },
  { pattern: field(5) },
  { pattern: field(null) },
  { pattern: field(false) },
  { pattern: field(['a', 'b', 1, null, true]) },
  { pattern: field([{ prefix: 'eu-' }]) },
  { pattern: field([{ prefix: { 'equals-ignore-case': 'EU-' } }]) },
  { pattern: field([{ suffix: '.pdf' }, { suffix: { 'equals-ignore-case': '.PDF' } }]) },
  { pattern: field([{ 'equals-ignore-case': 'ALICE' }]) },
  { pattern: field([{ wildcard: 'a*b*c' }]) },
  { pattern: field([{ wildcard: String.raw`literal \* and \\` }]) },
  { pattern: field([{ exists: true }, { exists: false }]) },
  { pattern: field([{ 'anything-but': 'x' }]) },
  { pattern: field([{ 'anything-but': 5 }]) },
  { pattern: field([{ 'anything-but': ['x', 'y'] }]) },
  { pattern: field([{ 'anything-but': { prefix: 'x' } }]) },
  { pattern: field([{ 'anything-but': { suffix: ['x', 'y'] } }]) },
  { pattern: field([{ 'anything-but': { 'equals-ignore-case': ['x'] } }]) },
  { pattern: field([{ 'anything-but': { wildcard: 'a*' } }]) },
  { pattern: field([{ numeric: ['=', 5] }]) },
  { pattern: field([{ numeric: ['<=', -3.5] }]) },
  { pattern: field([{ numeric: ['>', 0, '<', 10] }]) },
  { pattern: field([{ numeric: ['>=', 5, '<=', 5] }]) },
  { pattern: { type: ['case.opened'], data: { deep: { deeper: { deepest: ['x'] } } } } },
  { pattern: { $or: [{ type: ['a'] }, { data: { score: [{ numeric: ['>', 5] }] } }] } },
  { pattern: { data: { $or: [{ a: [1] }, { b: { $or: [{ c: [1] }, { d: [2] }] } }] } } },
  { pattern: { data: { __proto__x: ['y'], constructor: ['z'] } } },
];

describe('accepted patterns', () => {
  test.each(ACCEPTED)('$pattern', ({ pattern }) => {
    expect(filterProblem(pattern)).toBeNull();
  });
});

describe('refused patterns', () => {
  const NUL = '\0';
  test.each([
    { pattern: null, pointer: '' },
    { pattern: [], pointer: '' },
    { pattern: 'x', pointer: '' },
    { pattern: field([]), pointer: '/data/field' },
    { pattern: field({}), pointer: '/data/field' },
    { pattern: field([['nested']]), pointer: '/data/field/0' },
    { pattern: field(['ok', { nope: 1 }]), pointer: '/data/field/1' },
    { pattern: field([{}]), pointer: '/data/field/0' },
    { pattern: field([{ prefix: 'a', suffix: 'b' }]), pointer: '/data/field/0' },
    { pattern: field([{ cidr: '10.0.0.0/8' }]), pointer: '/data/field/0' },
    { pattern: field([{ prefix: '' }]), pointer: '/data/field/0/prefix' },
    { pattern: field([{ prefix: ['a'] }]), pointer: '/data/field/0/prefix' },
    { pattern: field([{ suffix: { prefix: 'x' } }]), pointer: '/data/field/0/suffix' },
    { pattern: field([{ exists: 'yes' }]), pointer: '/data/field/0/exists' },
    { pattern: field([{ 'equals-ignore-case': 5 }]), pointer: '/data/field/0/equals-ignore-case' },
    { pattern: field([{ wildcard: 'a**b' }]), pointer: '/data/field/0/wildcard' },
    { pattern: field([{ wildcard: String.raw`a\b` }]), pointer: '/data/field/0/wildcard' },
    { pattern: field([{ 'anything-but': [] }]), pointer: '/data/field/0/anything-but' },
    { pattern: field([{ 'anything-but': [{ prefix: 'x' }] }]), pointer: '/data/field/0/anything-but/0' },
    { pattern: field([{ 'anything-but': { exists: true } }]), pointer: '/data/field/0/anything-but' },
    { pattern: field([{ 'anything-but': { prefix: [1] } }]), pointer: '/data/field/0/anything-but/prefix/0' },
    { pattern: field([{ numeric: [] }]), pointer: '/data/field/0/numeric' },
    { pattern: field([{ numeric: ['!=', 5] }]), pointer: '/data/field/0/numeric' },
    { pattern: field([{ numeric: ['>', '5'] }]), pointer: '/data/field/0/numeric' },
    { pattern: field([{ numeric: ['<', 5, '>', 1] }]), pointer: '/data/field/0/numeric' },
    { pattern: field([{ numeric: ['>', 5, '<', 5] }]), pointer: '/data/field/0/numeric' },
    { pattern: field([{ numeric: ['>', Number.POSITIVE_INFINITY] }]), pointer: '/data/field/0/numeric' },
    { pattern: field(Number.POSITIVE_INFINITY), pointer: '/data/field' },
    { pattern: field([NUL]), pointer: '/data/field/0' },
    { pattern: field([{ prefix: '\ud800' }]), pointer: '/data/field/0/prefix' },
    { pattern: { 'a/b~c': [] }, pointer: '/a~1b~0c' },
    { pattern: { [NUL]: ['x'] }, pointer: `/${NUL}` },
    { pattern: { $or: [{ a: [1] }] }, pointer: '/$or' },
    { pattern: { $or: { a: [1] } }, pointer: '/$or' },
    { pattern: { $or: [{ a: [1] }, {}] }, pointer: '/$or/1' },
    { pattern: { $or: [{ a: [1] }, 'x'] }, pointer: '/$or/1' },
    { pattern: { $and: [{ a: [1] }, { b: [1] }] }, pointer: '/$and' },
    { pattern: field(Array.from({ length: 101 }, (_, index) => index)), pointer: '/data/field' },
    { pattern: field(['x'.repeat(17_000)]), pointer: '' },
  ])('at "$pointer": $pattern', ({ pattern, pointer }) => {
    expect(filterProblem(pattern)).toEqual({ pointer, message: expect.stringMatching(/^[a-z]/) });
  });

  test('nesting beyond ten levels, however deep', () => {
    let pattern: Record<string, unknown> = { a: ['x'] };
    for (let level = 0; level < 50_000; level += 1) pattern = { a: pattern };

    expect(filterProblem(pattern)?.message).toContain('nested deeper');
  });
});

test('any JSON value is judged without an exception, and what is accepted can be stored', () => {
  const unit = fc.constantFrom('a', 'é', '🎺', '\0', '\ud800', '\udc00', '/', '~', '$', '*', '\\');
  const value = fc.jsonValue({ maxDepth: 3, stringUnit: unit });
  const pattern = fc.dictionary(fc.string({ unit, maxLength: 5 }), value, { maxKeys: 3 });
  fc.assert(
    fc.property(pattern, (filters) => {
      if (filterProblem(filters) !== null) return;
      const text = JSON.stringify(filters);
      expect(text.length).toBeLessThanOrEqual(16_384);
      expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/);
    }),
  );
});
