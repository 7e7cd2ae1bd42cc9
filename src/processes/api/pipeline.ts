import type { Context } from 'koa';
import { type Authenticator, authenticate, type Principal, scopeProblem } from './auth.ts';
import { readJsonBody } from './json-body.ts';
import type { Limiter } from './limits.ts';
import type { Problem } from './problem.ts';
import type { Answer, Route } from './route.ts';

export interface PipelineDependencies {
  readonly authenticators: readonly Authenticator[];
  /** Requests per tenant. */
  readonly requests: Limiter;
}

/** Runs one request through the checks that come before its handler, and the handler. */
export type Pipeline = (route: Route, context: Context) => Promise<Answer | Problem>;

export function createPipeline(deps: PipelineDependencies): Pipeline {
  return async (route, context) => {
    const principal = await authenticate(deps.authenticators, context.req.headers);
    if ('kind' in principal) return principal;
    context.state['tenantId'] = principal.tenantId;
    const refusal = scopeProblem(principal, route.scope) ?? (await limitProblem(deps, route, principal));
    if (refusal !== null) return refusal;
    const body = route.bodySchema === null ? NO_BODY : await readJsonBody(context);
    if ('kind' in body) return body;
    return route.handle({ principal, params: paramsOf(context), body: body.value });
  };
}

const NO_BODY = { value: undefined };

async function limitProblem(deps: PipelineDependencies, route: Route, principal: Principal): Promise<Problem | null> {
  const limited = deps.requests.take(principal.tenantId);
  if (limited !== null || route.limit === undefined) return limited;
  return route.limit(principal.tenantId);
}

/** The router keeps them untyped. */
function paramsOf(context: Context): Readonly<Record<string, string>> {
  const params: unknown = context['params'];
  if (typeof params !== 'object' || params === null) return {};
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
}
