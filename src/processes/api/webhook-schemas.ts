import { createGuard, type JsonSchema } from './guard.ts';

const MAX_DESCRIPTION = 2_000;

export const UUID: JsonSchema = { type: 'string', format: 'uuid' };
const URL_SCHEMA: JsonSchema = { type: 'string', format: 'uri', description: 'Your endpoint; must be HTTPS' };
const DESCRIPTION: JsonSchema = {
  type: ['string', 'null'],
  format: 'text',
  maxLength: MAX_DESCRIPTION,
  description: 'Human-readable description; null means empty',
};
const FILTERS: JsonSchema = {
  type: ['object', 'null'],
  description: 'Event pattern: field names, each with a list of accepted values or operators; null means none',
};
const SETTINGS: JsonSchema = {
  type: ['object', 'null'],
  description: 'Settings beyond the documented fields; none are known yet',
  properties: {},
  additionalProperties: false,
};

export interface CreateWebhookBody {
  readonly event_type: string;
  readonly webhook_url: string;
  readonly description?: string | null;
  readonly filters?: Record<string, unknown> | null;
  readonly settings?: Record<string, never> | null;
}

export const createWebhookGuard = createGuard<CreateWebhookBody>({
  type: 'object',
  required: ['event_type', 'webhook_url'],
  additionalProperties: false,
  properties: {
    event_type: { type: 'string', description: 'A type of the catalogue, or `all`, or `test`' },
    webhook_url: URL_SCHEMA,
    description: DESCRIPTION,
    filters: FILTERS,
    settings: SETTINGS,
  },
});

export interface UpdateWebhookBody {
  readonly webhook_url?: string;
  readonly is_active?: boolean;
  readonly description?: string | null;
  readonly filters?: Record<string, unknown> | null;
}

export const updateWebhookGuard = createGuard<UpdateWebhookBody>({
  type: 'object',
  additionalProperties: false,
  properties: {
    webhook_url: URL_SCHEMA,
    is_active: { type: 'boolean', description: 'Switches the webhook on or off' },
    description: DESCRIPTION,
    filters: FILTERS,
  },
});

export interface TestWebhookBody {
  readonly webhook_url: string;
}

export const testWebhookGuard = createGuard<TestWebhookBody>({
  type: 'object',
  required: ['webhook_url'],
  additionalProperties: false,
  properties: { webhook_url: URL_SCHEMA },
});

/** An answer with exactly these keys. */
export function answerSchema(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', required: Object.keys(properties), additionalProperties: false, properties };
}

const COUNT: JsonSchema = { type: 'integer', minimum: 0 };
const TIMESTAMP: JsonSchema = {
  type: 'string',
  format: 'date-time',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}\\+00:00$',
};
export const SECRET_KEY: JsonSchema = { type: 'string', pattern: '^whsec_[A-Z2-7]{52}$' };

const IDENTITY = {
  id: UUID,
  event_type: { type: 'string' },
  webhook_url: { type: 'string', format: 'uri' },
};
const STATE = {
  is_active: { type: 'boolean' },
  description: { type: 'string' },
  filters: { type: 'object' },
  created_at: TIMESTAMP,
};
const TOTALS = {
  stats: answerSchema({ total_deliveries: COUNT, successful_deliveries: COUNT, failed_deliveries: COUNT }),
  last_triggered_at: { ...TIMESTAMP, type: ['string', 'null'], description: 'Null if never triggered' },
};

export const CREATED_WEBHOOK = answerSchema({
  ...IDENTITY,
  secret_key: SECRET_KEY,
  message: { const: 'Webhook created successfully' },
});
export const LISTED_WEBHOOK = answerSchema({ ...IDENTITY, ...STATE, ...TOTALS });
export const WEBHOOK_DETAILS = answerSchema({ ...IDENTITY, ...STATE, updated_at: TIMESTAMP, ...TOTALS });
