import type { ApiScope } from '../../domain/api-key.ts';
import type { Principal } from './auth.ts';
import type { Guard, JsonSchema } from './guard.ts';
import { type Problem, validationProblem } from './problem.ts';

/** An answer as documented; its keys leave in the order in which they stand here. */
export interface Answer {
  readonly kind: 'answer';
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a handler gets once everything that comes before it was found good. */
export interface ApiRequest<Body> {
  readonly principal: Principal;
  readonly params: Readonly<Record<string, string>>;
  readonly body: Body;
}

interface ResponseDocs {
  readonly description: string;
  readonly schema: JsonSchema;
  readonly example: unknown;
}

/** What routes tell about themselves, for the OpenAPI document and for the order of checks. */
export interface RouteDocs {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** As documented: with a trailing slash, parameters in braces. Without the slash it works as well. */
  readonly path: string;
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly scope: ApiScope;
  readonly responses: Readonly<Record<number, ResponseDocs>>;
  /** Limits beside the one on requests; checked before the body is read. */
  readonly limit?: (tenantId: string) => Promise<Problem | null>;
}

export interface Route extends RouteDocs {
  /** The schema of the request body; null when the route reads none. */
  readonly bodySchema: JsonSchema | null;
  /** Checks the body, then does the work. */
  handle(request: ApiRequest<unknown>): Promise<Answer | Problem>;
}

/** A route that reads no body. */
export function route(docs: RouteDocs, handle: (request: ApiRequest<unknown>) => Promise<Answer | Problem>): Route {
  return { ...docs, bodySchema: null, handle };
}

/** A route whose JSON body has the form of `guard`. */
export function routeWithBody<Body>(
  docs: RouteDocs,
  guard: Guard<Body>,
  handle: (request: ApiRequest<Body>) => Promise<Answer | Problem>,
): Route {
  return {
    ...docs,
    bodySchema: guard.schema,
    handle: async (request) => {
      const guarded = guard.check(request.body);
      return guarded.ok ? handle({ ...request, body: guarded.value }) : validationProblem(guarded.errors);
    },
  };
}

export function answer(status: number, body: Readonly<Record<string, unknown>>): Answer {
  return { kind: 'answer', status, body };
}
