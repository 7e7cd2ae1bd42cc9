import type { Event } from './event.ts';
import { ALL_EVENTS } from './event-type.ts';
import type { CachedWebhook } from './webhook.ts';

/** Which webhooks want an event: by tenant, then by type or the wildcard. Kept up to date one webhook at a time. */
export class WebhookIndex {
  readonly #byTenant = new Map<string, Map<string, Map<string, CachedWebhook>>>();
  readonly #placed = new Map<string, CachedWebhook>();

  /** Adds or replaces a webhook; an inactive one is taken out, since events are not matched while it is off. */
  put(webhook: CachedWebhook): void {
    this.remove(webhook.id);
    if (!webhook.isActive) return;
    const types = getOrCreate(this.#byTenant, webhook.tenantId, () => new Map<string, Map<string, CachedWebhook>>());
    getOrCreate(types, webhook.eventType, () => new Map<string, CachedWebhook>()).set(webhook.id, webhook);
    this.#placed.set(webhook.id, webhook);
  }

  /** Takes a webhook out; unknown ids are ignored. */
  remove(id: string): void {
    const webhook = this.#placed.get(id);
    if (webhook === undefined) return;
    this.#placed.delete(id);
    const types = this.#byTenant.get(webhook.tenantId);
    const sameType = types?.get(webhook.eventType);
    sameType?.delete(id);
    if (sameType?.size === 0) types?.delete(webhook.eventType);
    if (types?.size === 0) this.#byTenant.delete(webhook.tenantId);
  }

  get size(): number {
    return this.#placed.size;
  }

  /** The active webhooks of the event's tenant for its type or for all types. */
  match(event: Pick<Event, 'tenantId' | 'type'>): CachedWebhook[] {
    const types = this.#byTenant.get(event.tenantId);
    if (types === undefined) return [];
    const exact = types.get(event.type);
    const all = types.get(ALL_EVENTS);
    return [...(exact?.values() ?? []), ...(all?.values() ?? [])];
  }
}

function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const existing = map.get(key);
  if (existing !== undefined) return existing;
  const created = create();
  map.set(key, created);
  return created;
}
