import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/** What precedes the key material in the form that customers copy. */
const SECRET_PREFIX = 'whsec_';

/** What one attempt signs. */
export interface SignatureInput {
  /** `webhook-id`: the same for every attempt of one event. */
  readonly id: string;
  /** `webhook-timestamp`: seconds since the epoch, of this attempt. */
  readonly timestampSeconds: number;
  /** The exact bytes that are sent. */
  readonly body: Buffer;
  /** Newest first; several while a secret rotates. */
  readonly keys: readonly KeyObject[];
}

/**
 * The HMAC key of a secret as the customer sees it: the base64 decoding of what follows `whsec_` (39 bytes for our 52
 * characters), because that is what every Standard Webhooks library does with the copied string.
 */
export function signingKeyOf(secret: string): KeyObject {
  const text = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret;
  return createSecretKey(text, 'base64');
}

/** The value of `webhook-signature`: one `v1,<base64>` per key, newest first, exactly one space between (Python's library insists). */
export function signatureHeader(input: SignatureInput): string {
  const prefix = `${input.id}.${input.timestampSeconds}.`;
  let header = '';
  for (const key of input.keys) {
    const mac = createHmac('sha256', key).update(prefix).update(input.body).digest('base64');
    header += header === '' ? `v1,${mac}` : ` v1,${mac}`;
  }
  return header;
}
