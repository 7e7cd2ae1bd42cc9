import { randomUUID } from 'node:crypto';
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import type { Catalogue } from '../../domain/catalogue.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';
import { apiKeyAuthenticator } from './auth.ts';
import { docsPage } from './docs-page.ts';
import { errorMiddleware, sendProblem } from './errors.ts';
import { eventTypeRoutes } from './event-type-routes.ts';
import { type ApiLimits, createLimiter } from './limits.ts';
import { openApiDocument } from './openapi.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import { problem } from './problem.ts';
import type { Route } from './route.ts';
import { type TestWebhookDependencies, testWebhookRoutes } from './test-webhook-routes.ts';
import { webhookRoutes } from './webhook-routes.ts';

/** One answered request, for metrics. `route` is the documented path, never the one that came. */
interface ApiRequestSample {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

export interface ApiDependencies extends TestWebhookDependencies {
  readonly catalogue: Catalogue;
  readonly limits: ApiLimits;
  /** A clock that never goes back, milliseconds. */
  readonly monotonicMs: () => number;
  readonly version: string;
  readonly log: Logger;
  readonly observe: (sample: ApiRequestSample) => void;
}

/**
 * The management API. Order of checks: route 404, method 405, authentication 401, scope 403, limits 429, size 413,
 * type 415, JSON and schema 400, id 404. The first two are here, the others in the pipeline and the handlers.
 */
export function createApp(deps: ApiDependencies): Koa {
  const routes = routeTable(deps);
  const app = new Koa();
  app.use(requestContext(deps));
  app.use(errorMiddleware(deps.log));
  app.use(routerOf(routes, deps).routes());
  // What breaks after the answer began, such as a client that went away, has nobody left to tell.
  app.on('error', (error: unknown) => deps.log.debug({ err: error }, 'api.connection_failed'));
  return app;
}

function routeTable(deps: ApiDependencies): readonly Route[] {
  const testLimiter = createLimiter(deps.limits.testDeliveries, 'test deliveries', deps.monotonicMs);
  // A fixed path stands before the pattern that would match it too.
  return [
    ...testWebhookRoutes(deps, testLimiter),
    ...webhookRoutes({ ...deps, maxWebhooks: deps.limits.webhooks }),
    ...eventTypeRoutes(deps.catalogue),
  ];
}

function routerOf(routes: readonly Route[], deps: ApiDependencies): Router {
  const router = new Router({ sensitive: true });
  const document = openApiDocument(routes, deps.version);
  const page = docsPage(document);
  const pipeline = createPipeline({
    authenticators: [apiKeyAuthenticator(deps.stores)],
    requests: createLimiter(deps.limits.requests, 'requests', deps.monotonicMs),
  });
  mount(router, '/openapi.json', { get: (context) => sendJson(context, document) });
  mount(router, '/docs', { get: (context) => sendPage(context, page) });
  for (const path of new Set(routes.map((route) => route.path))) {
    const here = routes.filter((route) => route.path === path);
    mount(router, path, Object.fromEntries(here.map((route) => [route.method, handler(pipeline, route)])));
  }
  return router;
}

type Handlers = Readonly<
  Partial<Record<'get' | 'post' | 'patch' | 'delete', (context: Context) => void | Promise<void>>>
>;

/** Registers the methods of one path and refuses all others, with and without the trailing slash. */
function mount(router: Router, documentedPath: string, handlers: Handlers): void {
  const path = documentedPath.replace(/\/$/, '').replaceAll(/\{(\w+)\}/g, ':$1');
  const methods = Object.keys(handlers).map((method) => method.toUpperCase());
  const allow = methods.flatMap((method) => (method === 'GET' ? ['HEAD', 'GET'] : [method])).join(', ');
  for (const [method, handle] of Object.entries(handlers)) {
    router.register(path, [method], async (context: Context) => {
      context.state['route'] = documentedPath;
      await handle(context);
    });
  }
  router.all(path, (context) => {
    context.state['route'] = documentedPath;
    sendProblem(context, problem(405, 'method_not_allowed', `Allowed here: ${allow}.`, { headers: { allow } }));
  });
}

function handler(pipeline: Pipeline, route: Route): (context: Context) => Promise<void> {
  return async (context) => {
    const outcome = await pipeline(route, context);
    if (outcome.kind === 'problem') return sendProblem(context, outcome);
    context.status = outcome.status;
    sendJson(context, outcome.body);
  };
}

function sendJson(context: Context, body: unknown): void {
  context.type = 'application/json';
  context.body = JSON.stringify(body);
}

function sendPage(context: Context, page: { readonly html: string; readonly contentSecurityPolicy: string }): void {
  context.set('content-security-policy', page.contentSecurityPolicy);
  context.type = 'text/html';
  context.body = page.html;
}

/** On every response, also on refusals: nobody may sniff, frame, cache or embed it. */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

function requestContext(deps: ApiDependencies): Middleware {
  return async (context, next) => {
    const requestId = randomUUID();
    const startedMs = deps.monotonicMs();
    context.state['requestId'] = requestId;
    context.set({ ...SECURITY_HEADERS, 'x-request-id': requestId });
    await next();
    const route: unknown = context.state['route'];
    const { method, status } = context;
    const sample = {
      method,
      route: typeof route === 'string' ? route : 'none',
      status,
      durationMs: deps.monotonicMs() - startedMs,
    };
    deps.observe(sample);
    deps.log.info({ requestId, ...sample, tenantId: context.state['tenantId'] }, 'api.request');
  };
}
