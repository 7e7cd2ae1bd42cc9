import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Service } from '../infrastructure/lifecycle.ts';
import { HttpListener } from './http-listener.ts';

/** The state of one dependency: `waitsFor` says in words what is missing, null when nothing is. */
export interface ReadinessCheck {
  readonly name: string;
  /** Cheap: it is called at each probe and must not throw for a dependency that is down. */
  readonly check: () => Promise<string | null> | string | null;
}

export interface OpsServerOptions {
  /** 0 takes a free port. */
  readonly port: number;
  readonly host?: string;
  readonly checks: readonly ReadinessCheck[];
  /** The metrics in the text format of Prometheus. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
}

/** The operators' port: `/livez`, `/readyz` and `/metrics`. */
export interface OpsServer extends Service {
  /** Where it listens; only after `start`. */
  readonly port: number;
}

const STOP_DEADLINE_MS = 2_000;
/** A check that does not answer counts as waiting: a probe must answer whatever happens. */
const CHECK_TIMEOUT_MS = 2_000;

/** Nothing listens before `start`. */
export function createOpsServer(options: OpsServerOptions): OpsServer {
  const { port, host } = options;
  return new HttpListener({
    name: 'ops',
    port,
    ...(host === undefined ? {} : { host }),
    stopDeadlineMs: STOP_DEADLINE_MS,
    handle: (request, response) => {
      respond(options, request, response).catch((error: unknown) => {
        send(response, { status: 500, type: TEXT, body: `${error instanceof Error ? error.message : 'failed'}\n` });
      });
    },
  });
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function respond(options: OpsServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead) return send(response, { status: 405, type: TEXT, body: 'only GET\n' });
  const path = (request.url ?? '').split('?')[0] ?? '';
  send(response, await replyTo(path, options));
}

async function replyTo(path: string, options: OpsServerOptions): Promise<Reply> {
  switch (path) {
    case '/livez':
      return { status: 200, type: JSON_TYPE, body: JSON.stringify({ status: 'ok' }) };
    case '/readyz':
      return readiness(options.checks);
    case '/metrics':
      return { status: 200, type: options.metrics.contentType, body: await options.metrics.metrics() };
    default:
      return { status: 404, type: TEXT, body: 'here are /livez, /readyz and /metrics\n' };
  }
}

async function readiness(checks: readonly ReadinessCheck[]): Promise<Reply> {
  const states = await Promise.all(checks.map(async (check) => ({ name: check.name, waitsFor: await stateOf(check) })));
  const isReady = states.every((state) => state.waitsFor === null);
  const dependencies = Object.fromEntries(
    states.map(({ name, waitsFor }) => [
      name,
      waitsFor === null ? { status: 'ok' } : { status: 'waiting', waits_for: waitsFor },
    ]),
  );
  const body = JSON.stringify({ status: isReady ? 'ready' : 'waiting', dependencies });
  return { status: isReady ? 200 : 503, type: JSON_TYPE, body };
}

async function stateOf(check: ReadinessCheck): Promise<string | null> {
  const { promise: timedOut, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve('no answer in time'), CHECK_TIMEOUT_MS);
  try {
    return await Promise.race([check.check(), timedOut]);
  } catch (error) {
    return error instanceof Error ? error.message : 'failed';
  } finally {
    clearTimeout(timer);
  }
}

function send(response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  });
  response.end(reply.body);
}
