import { createHash, timingSafeEqual } from 'node:crypto';
import { toBase32 } from './base32.ts';

/** What a key may do; `keys create` grants all of them unless told otherwise. */
export const API_SCOPES = ['webhooks:read', 'webhooks:write'] as const;
export type ApiScope = (typeof API_SCOPES)[number];

/** Random bytes behind a key: 5 for its public id, 32 for its secret. */
export const API_KEY_RANDOM_BYTES = 37;

const ID_BYTES = 5;
const CHECKSUM_LENGTH = 6;
/** Prefix, public id (8), secret (52), checksum (6): one word on a double click, and scanners can tell it from noise offline. */
const FORM = /^(phk_([a-z2-7]{8})_([a-z2-7]{52}))_([a-z2-7]{6})$/;

/** A key that somebody presented, taken apart. */
export interface ParsedApiKey {
  readonly id: string;
  /** SHA-256 of the secret part: what is stored. 256 random bits need no slow hash. */
  readonly digest: Buffer;
}

/** Builds the text of a key from fresh random bytes; the whole text is shown once and never stored. */
export function formatApiKey(random: Buffer): { readonly text: string; readonly id: string; readonly digest: Buffer } {
  if (random.length !== API_KEY_RANDOM_BYTES)
    throw new RangeError(`an API key needs ${API_KEY_RANDOM_BYTES} random bytes`);
  const id = toBase32(random.subarray(0, ID_BYTES)).toLowerCase();
  const secret = toBase32(random.subarray(ID_BYTES)).toLowerCase();
  const body = `phk_${id}_${secret}`;
  return { text: `${body}_${checksum(body)}`, id, digest: digestOf(secret) };
}

/** Takes a presented key apart; null when it cannot be one of ours, which needs no look-up to say. */
export function parseApiKey(text: string): ParsedApiKey | null {
  const [, body, id, secret, sum] = FORM.exec(text) ?? [];
  if (body === undefined || id === undefined || secret === undefined || sum !== checksum(body)) return null;
  return { id, digest: digestOf(secret) };
}

/** Compares in constant time. An unknown key is compared with zeros, so that it takes the same path. */
export function digestMatches(presented: Buffer, stored: Buffer | null): boolean {
  const expected = stored?.length === presented.length ? stored : Buffer.alloc(presented.length);
  return timingSafeEqual(presented, expected) && expected === stored;
}

/** True for the name of a permission. */
export function isApiScope(text: string): text is ApiScope {
  return API_SCOPES.some((scope) => scope === text);
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function checksum(body: string): string {
  return toBase32(createHash('sha256').update(body).digest()).slice(0, CHECKSUM_LENGTH).toLowerCase();
}
