import type { IncomingHttpHeaders } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** Whether the signature is right; `no_secret` when there was nothing to verify with. */
export type Verdict = 'verified' | 'refused' | 'no_secret';

/** Verifies as a customer would, with the official library; any of the secrets will do. */
export function createVerifier(): (body: Buffer, headers: IncomingHttpHeaders, secrets: readonly string[]) => Verdict {
  const webhooks = new Map<string, Webhook>();
  const webhookOf = (secret: string) => {
    const known = webhooks.get(secret) ?? new Webhook(secret);
    webhooks.set(secret, known);
    return known;
  };
  return (body, headers, secrets) => {
    if (secrets.length === 0) return 'no_secret';
    return secrets.some((secret) => isVerifiedBy(webhookOf(secret), body, headers)) ? 'verified' : 'refused';
  };
}

function isVerifiedBy(webhook: Webhook, body: Buffer, headers: IncomingHttpHeaders): boolean {
  const signed: Record<string, string> = {};
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    const value = headers[name];
    if (typeof value === 'string') signed[name] = value;
  }
  try {
    webhook.verify(body, signed, { jsonParse: false });
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}
