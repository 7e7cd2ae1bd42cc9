import { STATUS_CODES } from 'node:http';

/** One thing that is wrong with a request: where, a stable code, and a sentence. */
export interface FieldError {
  /** The name of the field; for what lies inside it, the path to it: `filters/data/score/0`. `''` is the whole body. */
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

/** A refusal, in the words of RFC 9457 plus a stable `code` and what is wrong field by field. */
export interface Problem {
  readonly kind: 'problem';
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];
  readonly headers: Readonly<Record<string, string>>;
}

type ProblemExtras = Partial<Pick<Problem, 'errors' | 'headers'>>;

export function problem(status: number, code: string, detail: string, extras: ProblemExtras = {}): Problem {
  return { kind: 'problem', status, code, detail, errors: extras.errors ?? [], headers: extras.headers ?? {} };
}

/** 400 for a body that does not have the documented form. */
export function validationProblem(errors: readonly FieldError[]): Problem {
  return problem(400, 'validation_failed', sentenceOf(errors), { errors });
}

/** 400 for values that have the right form and still cannot be accepted; the code is that of the first of them. */
export function refusedValues(errors: readonly FieldError[]): Problem {
  return problem(400, errors[0]?.code ?? 'validation_failed', sentenceOf(errors), { errors });
}

/** 404, the same for an id that is unknown, malformed or another tenant's. */
export const NOT_FOUND = problem(404, 'not_found', 'There is nothing here for your API key.');

/** 429: come back after `waitMs`. */
export function tooMany(code: 'rate_limited' | 'limit_reached', detail: string, waitMs: number): Problem {
  return problem(429, code, detail, { headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) } });
}

/** The JSON body of a refusal. */
export function problemBody(refusal: Problem, requestId: string): Record<string, unknown> {
  return {
    type: 'about:blank',
    title: STATUS_CODES[refusal.status] ?? 'Error',
    status: refusal.status,
    detail: refusal.detail,
    instance: `urn:uuid:${requestId}`,
    code: refusal.code,
    errors: refusal.errors,
  };
}

function sentenceOf(errors: readonly FieldError[]): string {
  const [first] = errors;
  if (first === undefined) return 'The request is not valid.';
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return `${first.field === '' ? 'The body' : first.field}: ${first.message}${more}`;
}
