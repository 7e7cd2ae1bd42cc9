import { isStorableText } from './text.ts';

/** What is wrong with an event pattern, and where: a JSON pointer into it (`''` is the whole). */
export interface FilterProblem {
  readonly pointer: string;
  readonly message: string;
}

type Check = (value: unknown, pointer: string) => FilterProblem | null;

/** The operators of an event pattern, each with the check of its operand. */
const OPERATORS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['prefix', affixProblem],
  ['suffix', affixProblem],
  ['equals-ignore-case', textProblem],
  ['wildcard', wildcardProblem],
  ['anything-but', anythingButProblem],
  ['numeric', numericProblem],
  ['exists', (value, pointer) => (typeof value === 'boolean' ? null : { pointer, message: 'must be true or false' })],
]);

/** What `anything-but` may negate, besides plain values. */
const NEGATABLE: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['prefix', textProblem],
  ['suffix', textProblem],
  ['equals-ignore-case', textProblem],
  ['wildcard', wildcardProblem],
]);

const MAX_LIST = 100;
const COMPARISONS = ['<', '<=', '=', '>', '>='];

/** Checks one operator, such as `{"prefix": "eu-"}`. */
export function operatorProblem(operator: Record<string, unknown>, pointer: string): FilterProblem | null {
  return applyOne(OPERATORS, operator, pointer);
}

function applyOne(
  known: ReadonlyMap<string, Check>,
  operator: Record<string, unknown>,
  pointer: string,
): FilterProblem | null {
  const entries = Object.entries(operator);
  const [name, value] = entries[0] ?? ['', undefined];
  if (entries.length !== 1) return { pointer, message: 'must name exactly one operator' };
  const check = known.get(name);
  if (check === undefined) return { pointer, message: `must be one of the operators ${[...known.keys()].join(', ')}` };
  return check(value, `${pointer}/${name}`);
}

function textProblem(value: unknown, pointer: string): FilterProblem | null {
  if (typeof value !== 'string' || value === '') return { pointer, message: 'must be a non-empty text' };
  return isStorableText(value) ? null : { pointer, message: 'must not contain NUL or lone surrogates' };
}

function affixProblem(value: unknown, pointer: string): FilterProblem | null {
  if (typeof value !== 'object' || value === null) return textProblem(value, pointer);
  return applyOne(new Map([['equals-ignore-case', textProblem]]), { ...value }, pointer);
}

/** `*` stands for any characters; `\*` and `\\` for themselves. Two stars in a row add nothing but cost. */
function wildcardProblem(value: unknown, pointer: string): FilterProblem | null {
  if (typeof value !== 'string') return textProblem(value, pointer);
  const bare = value.replaceAll(/\\[\\*]/g, 'x');
  if (bare.includes('**')) return { pointer, message: 'must not contain two * in a row' };
  if (bare.includes('\\')) return { pointer, message: 'a \\ must stand before * or \\' };
  return textProblem(value, pointer);
}

function anythingButProblem(value: unknown, pointer: string): FilterProblem | null {
  if (Array.isArray(value)) return listProblem(value, pointer, plainProblem);
  if (typeof value !== 'object' || value === null) return plainProblem(value, pointer);
  const listed = new Map([...NEGATABLE].map(([name, check]) => [name, oneOrMore(check)]));
  return applyOne(listed, { ...value }, pointer);
}

function oneOrMore(check: Check): Check {
  return (value, pointer) => (Array.isArray(value) ? listProblem(value, pointer, check) : check(value, pointer));
}

function listProblem(values: readonly unknown[], pointer: string, check: Check): FilterProblem | null {
  if (values.length === 0 || values.length > MAX_LIST) return { pointer, message: `must have 1 to ${MAX_LIST} values` };
  for (const [index, value] of values.entries()) {
    const problem = check(value, `${pointer}/${index}`);
    if (problem !== null) return problem;
  }
  return null;
}

function plainProblem(value: unknown, pointer: string): FilterProblem | null {
  if (value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
    return null;
  if (typeof value !== 'string') return { pointer, message: 'must be a text, a finite number, true, false or null' };
  return isStorableText(value) ? null : { pointer, message: 'must not contain NUL or lone surrogates' };
}

/** `["=", 5]`, `[">", 0]` or a range `[">=", 0, "<", 10]`: the lower bound first, and below the upper one. */
function numericProblem(value: unknown, pointer: string): FilterProblem | null {
  const wrong = { pointer, message: 'must read [comparison, number] or [">" or ">=", number, "<" or "<=", number]' };
  if (!Array.isArray(value) || (value.length !== 2 && value.length !== 4)) return wrong;
  const [first, low, second, high]: unknown[] = value;
  if (typeof first !== 'string' || !COMPARISONS.includes(first) || !isFinite(low)) return wrong;
  if (value.length === 2) return null;
  if (!first.startsWith('>') || typeof second !== 'string' || !['<', '<='].includes(second) || !isFinite(high))
    return wrong;
  return low < high || (low === high && first === '>=' && second === '<=')
    ? null
    : { pointer, message: 'the lower bound must be below the upper one' };
}

function isFinite(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
