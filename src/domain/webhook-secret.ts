import { toBase32 } from './base32.ts';

/** Random bytes behind one webhook secret. */
export const WEBHOOK_SECRET_BYTES = 32;

const PREFIX = 'whsec_';
const FORM = /^whsec_[A-Z2-7]{52}$/;

/** `whsec_` and 52 characters of base32: also a valid Standard Webhooks secret, as 52 base64 characters are 39 whole bytes. */
export function formatWebhookSecret(random: Buffer): string {
  if (random.length !== WEBHOOK_SECRET_BYTES)
    throw new RangeError(`a webhook secret needs ${WEBHOOK_SECRET_BYTES} random bytes`);
  return PREFIX + toBase32(random);
}

/** True for the exact form that `formatWebhookSecret` gives. */
export function isWebhookSecret(text: string): boolean {
  return FORM.test(text);
}

/** What a webhook's sealed secret is bound to. */
export function webhookSecretBinding(webhookId: string): string {
  return `webhook:${webhookId}`;
}

/** What a tenant's sealed test secret is bound to. */
export function tenantSecretBinding(tenantId: string): string {
  return `tenant:${tenantId}`;
}
