import type { EventTypeCache } from '../infrastructure/postgres/event-type-cache.ts';

/** How long a type that was unknown a moment ago is taken for unknown without asking again. */
const ASK_AGAIN_AFTER_MS = 5_000;

/**
 * Lets a type that was registered a moment ago be known before a record of it is called bad: reads the catalogue again,
 * at most every few seconds per type.
 */
export function createCatalogueRefresh(eventTypes: EventTypeCache): (type: string) => Promise<void> {
  const askedAtMs = new Map<string, number>();
  return async (type) => {
    const nowMs = performance.now();
    if (nowMs - (askedAtMs.get(type) ?? Number.NEGATIVE_INFINITY) < ASK_AGAIN_AFTER_MS) return;
    if (askedAtMs.size > 1_000) askedAtMs.clear();
    await eventTypes.refresh();
    askedAtMs.set(type, nowMs);
  };
}
