import type { EgressPolicy } from '../../domain/address-policy.ts';
import type { AttemptTimings, SendResult, SendWebhook, WebhookRequest } from '../../domain/send-result.ts';
import { Attempt, type AttemptContext } from './attempt.ts';
import { ConnectionPool } from './connection-pool.ts';
import { createPlanner } from './destination-plans.ts';
import { type Failure, failure, failureOf } from './failure-codes.ts';
import { createGuardedConnector } from './guarded-connector.ts';
import { createResolver, type ResolveHost } from './resolver.ts';

export interface WebhookSenderOptions {
  readonly policy: EgressPolicy;
  /** Name servers to ask instead of the system's, as `address` or `address:port`. */
  readonly dnsServers?: readonly string[];
  /** PEM certificates to trust besides the usual ones. */
  readonly extraCa?: string;
  /** For TCP and TLS together; 5 s by default. */
  readonly connectTimeoutMs?: number;
  /** How long a body may take after its head; 2 s by default. */
  readonly bodyTimeMs?: number;
  readonly maxIdleOrigins?: number;
  readonly maxIdleConnections?: number;
  /** Replaces name resolution; the answers are judged all the same. */
  readonly resolve?: ResolveHost;
  readonly ownAddresses?: readonly string[];
}

export interface WebhookSender {
  readonly send: SendWebhook;
  /** Cuts the attempts in flight; they resolve as failed. */
  readonly abort: () => void;
  /** Refuses new attempts, waits for those in flight (each has its deadline) and closes every connection. */
  readonly close: () => Promise<void>;
  /** Connections open right now, and how many of them are idle. */
  readonly connections: () => { readonly open: number; readonly idle: number };
}

const NO_TIMINGS: AttemptTimings = { dnsUs: null, connectUs: null, tlsUs: null, firstByteUs: null, totalUs: 0 };

/** The one sender of everything that goes to receivers: deliveries, test deliveries and replays. */
export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const context = createContext(options);
  const planFor = createPlanner(options.policy);
  const inFlight = new Set<Attempt>();
  let isClosed = false;
  let onIdle: (() => void) | null = null;

  const send = async (request: WebhookRequest): Promise<SendResult> => {
    if (isClosed) return failed(failure('internal_error', 'sender_closed'));
    const plan = planFor(request.url);
    if (!plan.ok) return failed(plan.failure);
    return new Promise((resolve) => {
      const attempt = new Attempt(context, plan, request, (result) => {
        inFlight.delete(attempt);
        if (inFlight.size === 0) onIdle?.();
        resolve(result);
      });
      inFlight.add(attempt);
      attempt.start();
    });
  };

  return {
    send: (request) => send(request).catch((error: unknown) => failed(failureOf(error))),
    abort: () => {
      for (const attempt of inFlight) attempt.cut(failure('connection_failed', 'aborted'));
    },
    close: async () => {
      isClosed = true;
      if (inFlight.size > 0) await new Promise<void>((resolve) => (onIdle = resolve));
      context.pool.destroyAll();
    },
    connections: () => ({ open: context.pool.size, idle: context.pool.idleSize }),
  };
}

function createContext(options: WebhookSenderOptions): AttemptContext {
  const { policy, extraCa, connectTimeoutMs, ownAddresses } = options;
  const resolve = options.resolve ?? createResolver({ servers: options.dnsServers ?? [] });
  const connect = createGuardedConnector({
    policy,
    resolve,
    ...(extraCa === undefined ? {} : { extraCa }),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    ...(ownAddresses === undefined ? {} : { ownAddresses }),
  });
  const { maxIdleOrigins = 2_000, maxIdleConnections = 5_000, bodyTimeMs = 2_000 } = options;
  return { pool: new ConnectionPool({ maxIdleOrigins, maxIdleConnections }), connect, bodyTimeMs };
}

function failed(found: Failure): SendResult {
  return { kind: 'failed', ...found, timings: NO_TIMINGS };
}
