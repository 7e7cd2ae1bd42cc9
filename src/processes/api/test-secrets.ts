import { NONCE_BYTES, openSecret, sealSecret } from '../../domain/secret-box.ts';
import {
  formatWebhookSecret,
  tenantSecretBinding,
  WEBHOOK_SECRET_BYTES,
  webhookSecretBinding,
} from '../../domain/webhook-secret.ts';
import type { ApiStores } from '../../infrastructure/postgres/api-stores.ts';
import type { SecretTools } from './webhook-routes.ts';

/** Every signature is one more for receivers to try; ten is what the widest rotation elsewhere allows. */
const MAX_SIGNATURES = 10;

export interface TestSecretDependencies extends SecretTools {
  readonly stores: Pick<ApiStores, 'findTestSecret' | 'keepTestSecret' | 'listSecretsForUrl'>;
}

/** The tenant's test secret, made at its first use. */
export async function testSecretOf(deps: TestSecretDependencies, tenantId: string): Promise<string> {
  const binding = tenantSecretBinding(tenantId);
  const stored = await deps.stores.findTestSecret(tenantId);
  if (stored !== null) return openSecret(deps.keyRing, binding, stored);
  const fresh = formatWebhookSecret(deps.randomBytes(WEBHOOK_SECRET_BYTES));
  const sealed = sealSecret(deps.keyRing, binding, fresh, deps.randomBytes(NONCE_BYTES));
  return openSecret(deps.keyRing, binding, await deps.stores.keepTestSecret(tenantId, sealed));
}

/** The secrets that sign a test delivery: of the tenant's webhooks for this URL, newest first, else the test secret. */
export async function secretsForUrl(
  deps: TestSecretDependencies,
  tenantId: string,
  url: string,
): Promise<readonly string[]> {
  const sealed = await deps.stores.listSecretsForUrl(tenantId, url, MAX_SIGNATURES);
  if (sealed.length === 0) return [await testSecretOf(deps, tenantId)];
  return sealed.map((secret) => openSecret(deps.keyRing, webhookSecretBinding(secret.webhookId), secret.sealed));
}
