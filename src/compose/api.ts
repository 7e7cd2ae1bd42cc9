import { randomBytes, randomUUID } from 'node:crypto';
import { checkUrl } from '../domain/destination.ts';
import type { KeyRing } from '../domain/secret-box.ts';
import type { WebhookSender } from '../infrastructure/http/webhook-sender.ts';
import { createApiStores } from '../infrastructure/postgres/api-stores.ts';
import { DEFAULT_LIMITS } from '../processes/api/limits.ts';
import { type ApiServer, createApiServer } from '../processes/api/server.ts';
import { VERSION } from '../version.ts';
import { egressPolicyOf } from './egress.ts';
import type { Foundation } from './foundation.ts';

export interface ApiParts {
  readonly sender: WebhookSender;
  readonly keyRing: KeyRing;
  readonly host?: string;
}

/** Builds the management API. It needs PostgreSQL only: a test delivery goes out without Kafka. */
export function composeApi(base: Foundation, { sender, keyRing, host }: ApiParts): ApiServer {
  const { config, metrics } = base;
  const policy = egressPolicyOf(config);
  return createApiServer(
    {
      catalogue: base.eventTypes,
      checkUrl: (raw) => checkUrl(raw, policy),
      stores: createApiStores(base.database),
      keyRing,
      randomBytes,
      randomUuid: () => randomUUID(),
      send: sender.send,
      userAgent: `Posthorn/${VERSION}`,
      timeoutMs: config.delivery.timeoutMs,
      nowMs: Date.now,
      limits: DEFAULT_LIMITS,
      monotonicMs: () => performance.now(),
      version: VERSION,
      log: base.log,
      observe: ({ method, route, status, durationMs }) => {
        metrics.apiRequests.of(method, route, String(status)).observe(durationMs / 1000);
      },
    },
    { port: config.api.port, stopDeadlineMs: 10_000, ...(host === undefined ? {} : { host }) },
  );
}
