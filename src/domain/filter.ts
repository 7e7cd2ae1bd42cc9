import { type FilterProblem, operatorProblem } from './filter-operators.ts';
import { isStorableText } from './text.ts';

/** The size of a pattern: beyond any of these it is refused. They bound the work of one match and the row. */
const MAX_FILTER_BYTES = 16_384;
const MAX_DEPTH = 10;
const MAX_ALTERNATIVES = 100;
const MAX_OR_BRANCHES = 20;

/**
 * Checks an event pattern: an object that names fields of the event, each with a list of accepted values or operators;
 * a scalar stands for a list of one, `$or` for alternatives. The grammar is the one of Amazon EventBridge patterns.
 * Returns the first problem, or null; never throws, whatever the value.
 */
export function filterProblem(filters: unknown): FilterProblem | null {
  if (!isObject(filters)) return { pointer: '', message: 'must be an object' };
  const problem = patternProblem(filters, '', 1);
  if (problem !== null) return problem;
  // Only now: the depth is known to be small, and serialising recurses.
  const bytes = Buffer.byteLength(JSON.stringify(filters));
  return bytes > MAX_FILTER_BYTES
    ? { pointer: '', message: `must not be longer than ${MAX_FILTER_BYTES} bytes` }
    : null;
}

function patternProblem(pattern: Record<string, unknown>, pointer: string, depth: number): FilterProblem | null {
  if (depth > MAX_DEPTH) return { pointer, message: `must not be nested deeper than ${MAX_DEPTH} levels` };
  for (const [name, value] of Object.entries(pattern)) {
    const problem = fieldProblem(name, value, { pointer: `${pointer}/${escapePointer(name)}`, depth });
    if (problem !== null) return problem;
  }
  return null;
}

interface Place {
  readonly pointer: string;
  readonly depth: number;
}

function fieldProblem(name: string, value: unknown, place: Place): FilterProblem | null {
  const { pointer, depth } = place;
  if (!isStorableText(name)) return { pointer, message: 'a field name must not contain NUL or lone surrogates' };
  if (name === '$or') return orProblem(value, pointer, depth);
  if (name.startsWith('$')) return { pointer, message: 'field names beginning with $ are reserved; only $or is known' };
  if (Array.isArray(value)) return alternativesProblem(value, pointer);
  if (!isObject(value)) return scalarProblem(value, pointer);
  if (Object.keys(value).length === 0) return { pointer, message: 'must name at least one field' };
  return patternProblem(value, pointer, depth + 1);
}

function orProblem(value: unknown, pointer: string, depth: number): FilterProblem | null {
  if (!Array.isArray(value) || value.length < 2) return { pointer, message: 'must be a list of at least two patterns' };
  if (value.length > MAX_OR_BRANCHES)
    return { pointer, message: `must not have more than ${MAX_OR_BRANCHES} patterns` };
  for (const [index, branch] of value.entries()) {
    const at = `${pointer}/${index}`;
    if (!isObject(branch) || Object.keys(branch).length === 0)
      return { pointer: at, message: 'must be an object that names a field' };
    const problem = patternProblem(branch, at, depth + 1);
    if (problem !== null) return problem;
  }
  return null;
}

function alternativesProblem(values: readonly unknown[], pointer: string): FilterProblem | null {
  if (values.length === 0) return { pointer, message: 'must name at least one value: an empty list matches nothing' };
  if (values.length > MAX_ALTERNATIVES)
    return { pointer, message: `must not have more than ${MAX_ALTERNATIVES} values` };
  for (const [index, value] of values.entries()) {
    const at = `${pointer}/${index}`;
    const problem = isObject(value) ? operatorProblem(value, at) : scalarProblem(value, at);
    if (problem !== null) return problem;
  }
  return null;
}

function scalarProblem(value: unknown, pointer: string): FilterProblem | null {
  if (value === null || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) ? null : { pointer, message: 'must be a finite number' };
  if (typeof value !== 'string') return { pointer, message: 'must be a value or an operator, not a list' };
  return isStorableText(value) ? null : { pointer, message: 'must not contain NUL or lone surrogates' };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
