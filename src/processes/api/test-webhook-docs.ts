import type { JsonSchema } from './guard.ts';
import type { RouteDocs } from './route.ts';
import { answerSchema, SECRET_KEY } from './webhook-schemas.ts';

const LOG_ID: JsonSchema = { type: 'integer', minimum: 1 };

export const TEST_DOCS = {
  method: 'post',
  path: '/api/v1/webhooks/test/',
  operationId: 'testWebhook',
  tag: 'Webhooks',
  summary: 'Test Webhook',
  description:
    'Delivers a `test` event to the URL at once and answers with the outcome. It is signed with the secrets of your ' +
    'webhooks for that URL, newest first, or with your test secret when there are none.',
  scope: 'webhooks:write',
  responses: {
    200: {
      description: 'Delivery succeeded',
      schema: answerSchema({
        success: { const: true },
        message: { const: 'Test webhook delivered successfully' },
        log_id: LOG_ID,
        http_status_code: { type: 'integer', minimum: 200, maximum: 299 },
      }),
      example: { success: true, message: 'Test webhook delivered successfully', log_id: 4821, http_status_code: 200 },
    },
    502: {
      description: 'Delivery failed; `http_status_code` is null when the receiver did not answer',
      schema: answerSchema({
        success: { const: false },
        message: { type: 'string', pattern: '^Test webhook delivery failed: ' },
        log_id: LOG_ID,
        http_status_code: { type: ['integer', 'null'] },
      }),
      example: {
        success: false,
        message: 'Test webhook delivery failed: HTTP 404: Not Found',
        log_id: 4822,
        http_status_code: 404,
      },
    },
  },
} as const satisfies RouteDocs;

export const TEST_SECRET_DOCS = {
  method: 'get',
  path: '/api/v1/test-secret/',
  operationId: 'getTestSecret',
  tag: 'Webhooks',
  summary: 'Get Test Secret',
  description: 'The secret that signs test deliveries to URLs for which you have no webhook yet.',
  scope: 'webhooks:write',
  responses: {
    200: {
      description: 'The test secret',
      schema: answerSchema({ secret_key: SECRET_KEY }),
      example: { secret_key: 'whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ' },
    },
  },
} as const satisfies RouteDocs;
