import type { Catalogue } from '../../domain/catalogue.ts';
import type { UrlCheck } from '../../domain/destination.ts';
import { ALL_EVENTS, TEST_EVENT } from '../../domain/event-type.ts';
import { filterProblem } from '../../domain/filter.ts';
import type { NewWebhook, WebhookChange } from '../../infrastructure/postgres/webhook-store.ts';
import { type FieldError, type Problem, refusedValues } from './problem.ts';
import type { CreateWebhookBody, UpdateWebhookBody } from './webhook-schemas.ts';

/** What decides whether well-formed values are acceptable. */
export interface WebhookRules {
  readonly catalogue: Pick<Catalogue, 'byType'>;
  readonly checkUrl: (raw: string) => UrlCheck;
}

export type Judged<T> = { readonly kind: 'accepted'; readonly value: T } | Problem;

export type WebhookValues = Pick<NewWebhook, 'eventType' | 'url' | 'description' | 'filters' | 'settings'>;

/** The values of a new webhook with their defaults, or everything that is wrong with them. */
export function judgeNewWebhook(rules: WebhookRules, body: CreateWebhookBody): Judged<WebhookValues> {
  const url = rules.checkUrl(body.webhook_url);
  const filters = body.filters ?? {};
  const errors = [...eventTypeErrors(rules, body.event_type), ...urlErrors(url), ...filterErrors(filters)];
  if (errors.length > 0 || !url.ok) return refusedValues(errors);
  const { event_type: eventType, description } = body;
  return {
    kind: 'accepted',
    value: { eventType, url: url.url, description: description ?? '', filters, settings: body.settings ?? {} },
  };
}

/** The change that a PATCH asks for, or everything that is wrong with it. Null stands for the default. */
export function judgeWebhookChange(rules: WebhookRules, body: UpdateWebhookBody): Judged<WebhookChange> {
  const url = body.webhook_url === undefined ? undefined : rules.checkUrl(body.webhook_url);
  const filters = body.filters === undefined ? undefined : (body.filters ?? {});
  const errors = [
    ...(url === undefined ? [] : urlErrors(url)),
    ...(filters === undefined ? [] : filterErrors(filters)),
  ];
  if (errors.length > 0) return refusedValues(errors);
  return {
    kind: 'accepted',
    value: {
      ...(url?.ok ? { url: url.url } : {}),
      ...(body.is_active === undefined ? {} : { isActive: body.is_active }),
      ...(body.description === undefined ? {} : { description: body.description ?? '' }),
      ...(filters === undefined ? {} : { filters }),
    },
  };
}

/** What a refused URL means for the field `webhook_url`; nothing for an accepted one. */
export function urlErrors(check: UrlCheck): readonly FieldError[] {
  return check.ok ? [] : [{ field: 'webhook_url', code: check.code, message: check.message }];
}

function eventTypeErrors(rules: WebhookRules, eventType: string): readonly FieldError[] {
  if (eventType === ALL_EVENTS || eventType === TEST_EVENT || rules.catalogue.byType(eventType) !== undefined)
    return [];
  const message = 'is not an event type of the catalogue; GET /api/v1/event-types/ lists them';
  return [{ field: 'event_type', code: 'event_type_unknown', message }];
}

function filterErrors(filters: Readonly<Record<string, unknown>>): readonly FieldError[] {
  const problem = filterProblem(filters);
  if (problem === null) return [];
  return [{ field: `filters${problem.pointer}`.toWellFormed(), code: 'filter_invalid', message: problem.message }];
}
