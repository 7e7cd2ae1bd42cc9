import type { RouteDocs } from './route.ts';
import { answerSchema, CREATED_WEBHOOK, LISTED_WEBHOOK, UUID, WEBHOOK_DETAILS } from './webhook-schemas.ts';

const COLLECTION = '/api/v1/webhooks/';
const ONE = '/api/v1/webhooks/{webhook_id}/';
const EXAMPLE_ID = 'f67f165d-0d1e-4eb7-81e6-3494a260dcd4';

const IDENTITY = {
  id: EXAMPLE_ID,
  event_type: 'screening.completed',
  webhook_url: 'https://api.yourcompany.com/webhooks/screening',
};
const STATE = {
  is_active: true,
  description: 'Production screening webhook',
  filters: {},
  created_at: '2026-01-19T10:30:00.123456+00:00',
};
const TOTALS = {
  stats: { total_deliveries: 127, successful_deliveries: 125, failed_deliveries: 2 },
  last_triggered_at: '2026-01-22T08:15:30.987654+00:00',
};

export const CREATE_DOCS = {
  method: 'post',
  path: COLLECTION,
  operationId: 'createWebhook',
  tag: 'Webhooks',
  summary: 'Create Webhook',
  description: 'Subscribes a URL to one event type, or to `all`. The secret key is returned only here: store it.',
  scope: 'webhooks:write',
  responses: {
    201: {
      description: 'Created',
      schema: CREATED_WEBHOOK,
      example: {
        ...IDENTITY,
        secret_key: 'whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ',
        message: 'Webhook created successfully',
      },
    },
  },
} as const satisfies RouteDocs;

export const LIST_DOCS = {
  method: 'get',
  path: COLLECTION,
  operationId: 'listWebhooks',
  tag: 'Webhooks',
  summary: 'List Webhooks',
  description: 'All webhooks of the tenant to which your API key belongs, newest first.',
  scope: 'webhooks:read',
  responses: {
    200: {
      description: 'The webhooks',
      schema: answerSchema({ webhooks: { type: 'array', items: LISTED_WEBHOOK } }),
      example: { webhooks: [{ ...IDENTITY, ...STATE, ...TOTALS }] },
    },
  },
} as const satisfies RouteDocs;

export const GET_DOCS = {
  method: 'get',
  path: ONE,
  operationId: 'getWebhook',
  tag: 'Webhooks',
  summary: 'Get Webhook',
  description: 'One webhook in detail.',
  scope: 'webhooks:read',
  responses: {
    200: {
      description: 'The webhook',
      schema: WEBHOOK_DETAILS,
      example: { ...IDENTITY, ...STATE, updated_at: STATE.created_at, ...TOTALS },
    },
  },
} as const satisfies RouteDocs;

export const UPDATE_DOCS = {
  method: 'patch',
  path: ONE,
  operationId: 'updateWebhook',
  tag: 'Webhooks',
  summary: 'Update Webhook',
  description: 'Changes what is given. All fields are optional; the event type cannot change.',
  scope: 'webhooks:write',
  responses: {
    200: {
      description: 'Updated',
      schema: answerSchema({ message: { const: 'Webhook updated' }, id: UUID }),
      example: { message: 'Webhook updated', id: EXAMPLE_ID },
    },
  },
} as const satisfies RouteDocs;

export const DELETE_DOCS = {
  method: 'delete',
  path: ONE,
  operationId: 'deleteWebhook',
  tag: 'Webhooks',
  summary: 'Delete Webhook',
  description: 'Deletes a webhook for good.',
  scope: 'webhooks:write',
  responses: {
    200: {
      description: 'Deleted',
      schema: answerSchema({ message: { const: 'Webhook deleted successfully' } }),
      example: { message: 'Webhook deleted successfully' },
    },
  },
} as const satisfies RouteDocs;
