import { useApiKey } from './api-key-store.ts';
import type { Database } from './database.ts';
import { findTestSecret, keepTestSecret, listSecretsForUrl } from './tenant-store.ts';
import { beginTestDelivery, finishTestDelivery, type TestDeliveryOutcome } from './test-delivery-store.ts';
import {
  countWebhooks,
  deleteWebhook,
  findWebhook,
  insertWebhook,
  listWebhooks,
  type NewWebhook,
  updateWebhook,
  type WebhookChange,
} from './webhook-store.ts';

/** Everything that the management API reads and writes, bound to one database. Rejects with `unavailable` when it is down. */
export type ApiStores = ReturnType<typeof createApiStores>;

/** Binds the statements of the management API to a database. */
export function createApiStores(database: Database) {
  return {
    useApiKey: (id: string) => useApiKey(database, id),
    countWebhooks: (tenantId: string) => countWebhooks(database, tenantId),
    insertWebhook: (webhook: NewWebhook, limit: number) => insertWebhook(database, webhook, limit),
    listWebhooks: (tenantId: string) => listWebhooks(database, tenantId),
    findWebhook: (tenantId: string, id: string) => findWebhook(database, tenantId, id),
    updateWebhook: (tenantId: string, id: string, change: WebhookChange) =>
      updateWebhook(database, tenantId, id, change),
    deleteWebhook: (tenantId: string, id: string) => deleteWebhook(database, tenantId, id),
    findTestSecret: (tenantId: string) => findTestSecret(database, tenantId),
    keepTestSecret: (tenantId: string, sealed: string) => keepTestSecret(database, tenantId, sealed),
    listSecretsForUrl: (tenantId: string, url: string, limit: number) =>
      listSecretsForUrl(database, tenantId, url, limit),
    beginTestDelivery: (tenantId: string, url: string, eventId: string) =>
      beginTestDelivery(database, tenantId, url, eventId),
    finishTestDelivery: (tenantId: string, logId: number, outcome: TestDeliveryOutcome) =>
      finishTestDelivery(database, tenantId, logId, outcome),
  };
}
