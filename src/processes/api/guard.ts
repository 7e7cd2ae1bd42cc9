import type { ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isStorableText } from '../../domain/text.ts';
import type { FieldError } from './problem.ts';

/** A JSON Schema (2020-12), as it stands in the OpenAPI document too. */
export type JsonSchema = Readonly<Record<string, unknown>>;

type Guarded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

/** Checks a value against a schema and gives it its type. */
export interface Guard<T> {
  readonly schema: JsonSchema;
  check(value: unknown): Guarded<T>;
}

/** More errors than this help nobody, and a hostile body could have thousands. */
const MAX_ERRORS = 20;
const MAX_QUOTED = 100;

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
// `uri` is documentation here: the URL policy judges it, with better words. `text` keeps out what PostgreSQL cannot hold.
ajv.addFormat('uri', true);
ajv.addFormat('text', isStorableText);

/** Compiles a schema; the type is what the author of the schema says it stands for. */
export function createGuard<T>(schema: JsonSchema): Guard<T> {
  const validate = ajv.compile<T>(schema);
  return {
    schema,
    check: (value) =>
      validate(value) ? { ok: true, value } : { ok: false, errors: fieldErrors(validate.errors ?? []) },
  };
}

function fieldErrors(errors: readonly ErrorObject[]): readonly FieldError[] {
  return errors.slice(0, MAX_ERRORS).map(fieldError);
}

function fieldError(error: ErrorObject): FieldError {
  const at = error.instancePath.slice(1);
  const params: Record<string, unknown> = error.params;
  switch (error.keyword) {
    case 'required':
      return { field: inside(at, params['missingProperty']), code: 'required', message: 'is required' };
    case 'additionalProperties':
      return {
        field: inside(at, params['additionalProperty']),
        code: 'unknown_field',
        message: 'is not a known field',
      };
    case 'type':
      return { field: at, code: 'wrong_type', message: `must be ${[params['type']].flat().join(' or ')}` };
    case 'format':
      return { field: at, code: 'invalid_characters', message: 'must not contain NUL characters or lone surrogates' };
    case 'maxLength':
      return { field: at, code: 'too_long', message: `must not be longer than ${String(params['limit'])} characters` };
    default:
      return { field: at, code: 'invalid', message: error.message ?? 'is not valid' };
  }
}

function inside(at: string, name: unknown): string {
  const quoted = String(name).slice(0, MAX_QUOTED).toWellFormed();
  return at === '' ? quoted : `${at}/${quoted}`;
}
