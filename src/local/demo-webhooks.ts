import { AppError } from '../domain/errors.ts';
import { ALL_EVENTS } from '../domain/event-type.ts';

/** A webhook of the demo, as the management API made it. */
export interface DemoWebhook extends DemoWebhookPlan {
  readonly id: string;
  /** As the API returned it, once. */
  readonly secret: string;
}

interface DemoWebhookPlan {
  readonly name: string;
  readonly eventType: string;
  /** Path at the receiver. */
  readonly path: string;
  /** Answers 500 to the first attempt of every delivery, so that a retry can be seen. */
  readonly failsFirst: boolean;
}

/** Where the management API is, and the key for it. */
export interface DemoApi {
  readonly apiUrl: string;
  readonly apiKey: string;
}

const PLANS: readonly DemoWebhookPlan[] = [
  plan('everything', ALL_EVENTS),
  plan('onboarding', 'onboarding.completed'),
  plan('responses', 'response.submitted'),
  plan('screening', 'screening.completed'),
  plan('cases', 'case.opened'),
  { ...plan('moody', 'alert.created'), failsFirst: true },
];

function plan(name: string, eventType: string): DemoWebhookPlan {
  return { name, eventType, path: `/hooks/${name}`, failsFirst: false };
}

/** Marks the webhooks of a demo, so that the next one can remove what a killed one left. */
const DESCRIPTION = 'Made by posthorn up --demo';

/** Creates the demo's webhooks through the API. Rejects with `unavailable` and the API's answer when it refuses one. */
export async function createDemoWebhooks(api: DemoApi, receiverUrl: string): Promise<readonly DemoWebhook[]> {
  await deleteLeftovers(api);
  const webhooks: DemoWebhook[] = [];
  for (const planned of PLANS) {
    const webhook_url = `${receiverUrl}${planned.path}`;
    const body = { event_type: planned.eventType, webhook_url, description: DESCRIPTION };
    const created = await ask(api, 'POST', '', body);
    webhooks.push({ ...planned, id: textOf(created, 'id'), secret: textOf(created, 'secret_key') });
  }
  return webhooks;
}

/** Deletes webhooks through the API; one that is gone already is no failure. */
export async function deleteDemoWebhooks(api: DemoApi, ids: readonly string[]): Promise<void> {
  for (const id of ids) await ask(api, 'DELETE', `${id}/`);
}

/** The webhooks that want events of a type. */
export function wantedBy<T extends DemoWebhookPlan>(webhooks: readonly T[], type: string): readonly T[] {
  return webhooks.filter(({ eventType }) => eventType === ALL_EVENTS || eventType === type);
}

async function deleteLeftovers(api: DemoApi): Promise<void> {
  const { webhooks } = await ask(api, 'GET', '');
  if (!Array.isArray(webhooks)) return;
  const ours = webhooks.filter((webhook: unknown) => isObject(webhook) && webhook['description'] === DESCRIPTION);
  await deleteDemoWebhooks(
    api,
    ours.map((webhook) => textOf(webhook, 'id')),
  );
}

const TIMEOUT_MS = 15_000;
const NOT_FOUND = 404;

async function ask(
  { apiUrl, apiKey }: DemoApi,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Readonly<Record<string, unknown>>> {
  const headers = { 'x-api-key': apiKey };
  const content =
    body === undefined
      ? { headers }
      : { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(`${apiUrl}/api/v1/webhooks/${path}`, { method, ...content, signal });
  const text = await response.text();
  if (!response.ok && !(method === 'DELETE' && response.status === NOT_FOUND))
    throw new AppError('unavailable', `the API answered ${method} /api/v1/webhooks/${path} with ${text}`);
  const answer: unknown = text === '' ? {} : JSON.parse(text);
  return isObject(answer) ? answer : {};
}

function textOf(answer: Readonly<Record<string, unknown>>, name: string): string {
  const value = answer[name];
  if (typeof value === 'string') return value;
  throw new AppError('unavailable', `the API answered without ${name}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
