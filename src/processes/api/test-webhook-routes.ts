import { STATUS_CODES } from 'node:http';
import { TEST_EVENT } from '../../domain/event-type.ts';
import type { SendResult, SendWebhook, WebhookRequest } from '../../domain/send-result.ts';
import { signatureHeader, signingKeyOf } from '../../domain/signature.ts';
import type { ApiStores } from '../../infrastructure/postgres/api-stores.ts';
import type { Limiter } from './limits.ts';
import { type Problem, refusedValues } from './problem.ts';
import { type Answer, type ApiRequest, answer, type Route, route, routeWithBody } from './route.ts';
import { secretsForUrl, type TestSecretDependencies, testSecretOf } from './test-secrets.ts';
import { TEST_DOCS, TEST_SECRET_DOCS } from './test-webhook-docs.ts';
import { urlErrors, type WebhookRules } from './webhook-input.ts';
import { type TestWebhookBody, testWebhookGuard } from './webhook-schemas.ts';

export interface TestWebhookDependencies extends Pick<WebhookRules, 'checkUrl'>, TestSecretDependencies {
  readonly stores: ApiStores;
  readonly send: SendWebhook;
  /** `user-agent` of deliveries. */
  readonly userAgent: string;
  readonly timeoutMs: number;
  /** Wall clock, epoch milliseconds. */
  readonly nowMs: () => number;
}

/** The test delivery, and the secret that signs it where no webhook's does. */
export function testWebhookRoutes(deps: TestWebhookDependencies, limiter: Limiter): readonly Route[] {
  return [
    routeWithBody({ ...TEST_DOCS, limit: async (tenantId) => limiter.peek(tenantId) }, testWebhookGuard, (request) =>
      deliverTest(deps, limiter, request),
    ),
    route(TEST_SECRET_DOCS, async (request) =>
      answer(200, { secret_key: await testSecretOf(deps, request.principal.tenantId) }),
    ),
  ];
}

async function deliverTest(
  deps: TestWebhookDependencies,
  limiter: Limiter,
  request: ApiRequest<TestWebhookBody>,
): Promise<Answer | Problem> {
  const { tenantId } = request.principal;
  const checked = deps.checkUrl(request.body.webhook_url);
  if (!checked.ok) return refusedValues(urlErrors(checked));
  const limited = limiter.take(tenantId);
  if (limited !== null) return limited;
  const secrets = await secretsForUrl(deps, tenantId, checked.url);
  const eventId = `test_${deps.randomUuid()}`;
  const logId = await deps.stores.beginTestDelivery(tenantId, checked.url, eventId);
  const result = await deps.send(testRequest(deps, { url: checked.url, eventId, secrets }));
  const outcome = outcomeOf(result);
  await deps.stores.finishTestDelivery(tenantId, logId, outcome);
  return answer(outcome.success ? 200 : 502, {
    success: outcome.success,
    message: outcome.message,
    log_id: logId,
    http_status_code: outcome.httpStatusCode,
  });
}

interface TestDelivery {
  readonly url: string;
  readonly eventId: string;
  readonly secrets: readonly string[];
}

function testRequest(deps: TestWebhookDependencies, delivery: TestDelivery): WebhookRequest {
  const nowMs = deps.nowMs();
  const timestampSeconds = Math.floor(nowMs / 1000);
  const body = Buffer.from(JSON.stringify(testEvent(delivery.eventId, nowMs)));
  const keys = delivery.secrets.map(signingKeyOf);
  return {
    url: delivery.url,
    headers: {
      'content-type': 'application/json',
      'user-agent': deps.userAgent,
      'webhook-id': delivery.eventId,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': signatureHeader({ id: delivery.eventId, timestampSeconds, body, keys }),
      'posthorn-delivery': deps.randomUuid(),
      'posthorn-attempt': '1',
    },
    body,
    timeoutMs: deps.timeoutMs,
  };
}

function testEvent(id: string, nowMs: number) {
  return {
    id,
    type: TEST_EVENT,
    timestamp: new Date(nowMs).toISOString(),
    data: { message: 'This is a test event: your endpoint is reachable and can verify our signature.' },
  };
}

interface TestOutcome {
  readonly success: boolean;
  readonly message: string;
  readonly httpStatusCode: number | null;
  readonly failureCode: string | null;
}

function outcomeOf(result: SendResult): TestOutcome {
  if (result.kind === 'failed') return failed(result.message, null, result.code);
  const { status } = result;
  if (status >= 200 && status < 300) {
    return { success: true, message: 'Test webhook delivered successfully', httpStatusCode: status, failureCode: null };
  }
  const reason = STATUS_CODES[status];
  const isRedirect = status >= 300 && status < 400;
  const words = `HTTP ${status}${reason === undefined ? '' : `: ${reason}`}${isRedirect ? ' (redirects are not followed)' : ''}`;
  return failed(words, status, isRedirect ? 'redirect' : `http_${status}`);
}

function failed(words: string, httpStatusCode: number | null, failureCode: string): TestOutcome {
  return { success: false, message: `Test webhook delivery failed: ${words}`, httpStatusCode, failureCode };
}
