import type { Service } from '../../infrastructure/lifecycle.ts';
import { HttpListener } from '../http-listener.ts';
import { type ApiDependencies, createApp } from './app.ts';

export interface ApiServerOptions {
  /** 0 takes a free port. */
  readonly port: number;
  readonly host?: string;
  readonly stopDeadlineMs: number;
}

/** The management API as a service. */
export interface ApiServer extends Service {
  /** Where it listens; only after `start`. */
  readonly port: number;
}

/** Puts the management API on a port; nothing listens before `start`. */
export function createApiServer(deps: ApiDependencies, options: ApiServerOptions): ApiServer {
  const answer = createApp(deps).callback();
  // Koa's own promise never rejects: the application's error middleware and 'error' event see everything.
  const handle = (...exchange: Parameters<typeof answer>) => void answer(...exchange);
  return new HttpListener({ name: 'api', handle, ...options });
}
