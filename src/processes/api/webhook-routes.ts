import { type KeyRing, NONCE_BYTES, sealSecret } from '../../domain/secret-box.ts';
import { formatWebhookSecret, WEBHOOK_SECRET_BYTES, webhookSecretBinding } from '../../domain/webhook-secret.ts';
import type { ApiStores } from '../../infrastructure/postgres/api-stores.ts';
import type { WebhookWithStats } from '../../infrastructure/postgres/webhook-store.ts';
import { NOT_FOUND, type Problem, tooMany } from './problem.ts';
import { type Answer, type ApiRequest, answer, type Route, route, routeWithBody } from './route.ts';
import { CREATE_DOCS, DELETE_DOCS, GET_DOCS, LIST_DOCS, UPDATE_DOCS } from './webhook-docs.ts';
import { judgeNewWebhook, judgeWebhookChange, type WebhookRules } from './webhook-input.ts';
import {
  type CreateWebhookBody,
  createWebhookGuard,
  type UpdateWebhookBody,
  updateWebhookGuard,
} from './webhook-schemas.ts';

/** What encrypts secrets, and where fresh randomness comes from. */
export interface SecretTools {
  readonly keyRing: KeyRing;
  readonly randomBytes: (count: number) => Buffer;
  readonly randomUuid: () => string;
}

export interface WebhookRouteDependencies extends WebhookRules, SecretTools {
  readonly stores: ApiStores;
  /** Webhooks that one tenant may have. */
  readonly maxWebhooks: number;
}

/** Create, list, get, change and delete webhooks. */
export function webhookRoutes(deps: WebhookRouteDependencies): readonly Route[] {
  return [
    routeWithBody(
      { ...CREATE_DOCS, limit: (tenantId) => webhookLimit(deps, tenantId) },
      createWebhookGuard,
      (request) => createWebhook(deps, request),
    ),
    route(LIST_DOCS, (request) => listWebhooks(deps, request)),
    route(GET_DOCS, (request) => getWebhook(deps, request)),
    routeWithBody(UPDATE_DOCS, updateWebhookGuard, (request) => updateWebhook(deps, request)),
    route(DELETE_DOCS, (request) => deleteWebhook(deps, request)),
  ];
}

async function createWebhook(
  deps: WebhookRouteDependencies,
  request: ApiRequest<CreateWebhookBody>,
): Promise<Answer | Problem> {
  const judged = judgeNewWebhook(deps, request.body);
  if (judged.kind === 'problem') return judged;
  const id = deps.randomUuid();
  const secret = formatWebhookSecret(deps.randomBytes(WEBHOOK_SECRET_BYTES));
  const sealedSecret = sealSecret(deps.keyRing, webhookSecretBinding(id), secret, deps.randomBytes(NONCE_BYTES));
  const webhook = { ...judged.value, id, tenantId: request.principal.tenantId, sealedSecret };
  if ((await deps.stores.insertWebhook(webhook, deps.maxWebhooks)) === 'limit_reached') return limitReached(deps);
  return answer(201, {
    id,
    event_type: webhook.eventType,
    webhook_url: webhook.url,
    secret_key: secret,
    message: 'Webhook created successfully',
  });
}

async function listWebhooks(deps: WebhookRouteDependencies, request: ApiRequest<unknown>): Promise<Answer> {
  const webhooks = await deps.stores.listWebhooks(request.principal.tenantId);
  return answer(200, { webhooks: webhooks.map((webhook) => ({ ...settingsOf(webhook), ...totalsOf(webhook) })) });
}

async function getWebhook(deps: WebhookRouteDependencies, request: ApiRequest<unknown>): Promise<Answer | Problem> {
  const id = webhookIdOf(request);
  const webhook = id === null ? null : await deps.stores.findWebhook(request.principal.tenantId, id);
  if (webhook === null) return NOT_FOUND;
  return answer(200, { ...settingsOf(webhook), updated_at: webhook.updatedAt, ...totalsOf(webhook) });
}

async function updateWebhook(
  deps: WebhookRouteDependencies,
  request: ApiRequest<UpdateWebhookBody>,
): Promise<Answer | Problem> {
  const judged = judgeWebhookChange(deps, request.body);
  if (judged.kind === 'problem') return judged;
  const id = webhookIdOf(request);
  if (id === null || !(await deps.stores.updateWebhook(request.principal.tenantId, id, judged.value))) return NOT_FOUND;
  return answer(200, { message: 'Webhook updated', id });
}

async function deleteWebhook(deps: WebhookRouteDependencies, request: ApiRequest<unknown>): Promise<Answer | Problem> {
  const id = webhookIdOf(request);
  if (id === null || !(await deps.stores.deleteWebhook(request.principal.tenantId, id))) return NOT_FOUND;
  return answer(200, { message: 'Webhook deleted successfully' });
}

async function webhookLimit(deps: WebhookRouteDependencies, tenantId: string): Promise<Problem | null> {
  return (await deps.stores.countWebhooks(tenantId)) >= deps.maxWebhooks ? limitReached(deps) : null;
}

/** Places become free when webhooks are deleted, which takes people: an hour is as good a guess as any. */
const LIMIT_RETRY_MS = 3_600_000;

function limitReached(deps: WebhookRouteDependencies): Problem {
  const detail = `A tenant may have ${deps.maxWebhooks} webhooks; delete some first.`;
  return tooMany('limit_reached', detail, LIMIT_RETRY_MS);
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The id in the path as it is stored; null when it cannot be one, which is answered like an unknown one. */
function webhookIdOf(request: ApiRequest<unknown>): string | null {
  const id = request.params['webhook_id'] ?? '';
  return UUID.test(id) ? id.toLowerCase() : null;
}

function settingsOf(webhook: WebhookWithStats) {
  return {
    id: webhook.id,
    event_type: webhook.eventType,
    webhook_url: webhook.url,
    is_active: webhook.isActive,
    description: webhook.description,
    filters: webhook.filters,
    created_at: webhook.createdAt,
  };
}

function totalsOf(webhook: WebhookWithStats) {
  return {
    stats: {
      total_deliveries: webhook.totalDeliveries,
      successful_deliveries: webhook.successfulDeliveries,
      failed_deliveries: webhook.failedDeliveries,
    },
    last_triggered_at: webhook.lastTriggeredAt,
  };
}
