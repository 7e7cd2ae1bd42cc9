import type { Context, Middleware } from 'koa';
import { AppError } from '../../domain/errors.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';
import { type Problem, problem, problemBody } from './problem.ts';

/** How long clients should leave a dependency of ours alone. */
const UNAVAILABLE_RETRY_S = 5;

/** Writes a refusal as the response. */
export function sendProblem(context: Context, refusal: Problem): void {
  context.status = refusal.status;
  context.set({ ...refusal.headers });
  context.type = 'application/problem+json';
  context.body = JSON.stringify(problemBody(refusal, String(context.state['requestId'])));
}

/** The outermost catch: whatever went wrong below becomes a response here and nowhere else. */
export function errorMiddleware(log: Logger): Middleware {
  return async (context, next) => {
    try {
      await next();
      if (context.status === 404 && context.body === undefined) sendProblem(context, NO_SUCH_ROUTE);
    } catch (error) {
      const refusal = problemFrom(error);
      if (refusal.status >= 500) log.error({ err: error, requestId: context.state['requestId'] }, 'api.request_failed');
      sendProblem(context, refusal);
    }
  };
}

const NO_SUCH_ROUTE = problem(404, 'not_found', 'There is no such address in this API; see /docs.');

const INTERNAL = problem(500, 'internal_error', 'Something went wrong on our side.');
const UNREADABLE = problem(
  500,
  'secret_unreadable',
  'A stored secret cannot be read; the operator must restore its key.',
);
const UNAVAILABLE = problem(503, 'unavailable', 'The service cannot answer right now; try again shortly.', {
  headers: { 'retry-after': String(UNAVAILABLE_RETRY_S) },
});

function problemFrom(error: unknown): Problem {
  if (!(error instanceof AppError)) return INTERNAL;
  if (error.code === 'unavailable') return UNAVAILABLE;
  return error.code === 'secret_unreadable' ? UNREADABLE : INTERNAL;
}
