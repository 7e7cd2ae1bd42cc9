import { type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import { AppError } from './errors.ts';

/** One encryption key: its public id and 32 bytes. */
interface SecretKey {
  readonly id: string;
  readonly bytes: Buffer;
}

/** Every key that may decrypt, by id; `current` is the one that encrypts. */
export interface KeyRing {
  readonly current: SecretKey;
  readonly byId: ReadonlyMap<string, SecretKey>;
}

/** Bytes of a nonce; each sealing needs fresh random ones, passed in because the domain draws no lots. */
export const NONCE_BYTES = 12;

const CIPHER: CipherGCMTypes = 'aes-256-gcm';
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/;
const FORMAT = 'v1';

/**
 * Reads `id:base64key,…`; the first key encrypts, all decrypt. Throws `misconfigured` with what is wrong, never with a key.
 */
export function parseKeyRing(text: string): KeyRing {
  const keys = text.split(',').map((part, index) => parseKey(part.trim(), index + 1));
  const byId = new Map(keys.map((key) => [key.id, key]));
  const current = keys[0];
  if (current === undefined) throw new AppError('misconfigured', 'no secret key is given');
  if (byId.size !== keys.length) throw new AppError('misconfigured', 'two secret keys have the same id');
  return { current, byId };
}

/**
 * Encrypts a secret for the place named by `boundTo`, such as `webhook:<id>`: moved to another row it does not open.
 * Text form: `v1.<key id>.<base64url of nonce, ciphertext, tag>`.
 */
export function sealSecret(ring: KeyRing, boundTo: string, secret: string, nonce: Buffer): string {
  if (nonce.length !== NONCE_BYTES) throw new RangeError(`a nonce has ${NONCE_BYTES} bytes`);
  const cipher = createCipheriv(CIPHER, ring.current.bytes, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(boundTo));
  const sealed = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${FORMAT}.${ring.current.id}.${sealed.toString('base64url')}`;
}

/** Whether the key of this id encrypted it. */
export function isSealedWith(keyId: string, sealed: string): boolean {
  return sealed.split('.', 2)[1] === keyId;
}

/** Decrypts what `sealSecret` made; throws `secret_unreadable` when the key is missing or wrong, or the row is another. */
export function openSecret(ring: KeyRing, boundTo: string, sealed: string): string {
  const [format, keyId = '', payload = ''] = sealed.split('.');
  const key = ring.byId.get(keyId);
  if (format !== FORMAT) throw unreadable(boundTo, keyId, 'its format is unknown');
  if (key === undefined) throw unreadable(boundTo, keyId, `the secret key "${keyId}" is not configured`);
  const bytes = Buffer.from(payload, 'base64url');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw unreadable(boundTo, keyId, 'it is too short');
  try {
    return decrypt(key, boundTo, bytes);
  } catch (cause) {
    throw unreadable(boundTo, keyId, `the secret key "${keyId}" is not the one that encrypted it`, cause);
  }
}

/** The id of the key that a sealed secret needs, without opening it. */
export function sealedWith(sealed: string): string {
  return sealed.split('.')[1] ?? '';
}

function parseKey(part: string, position: number): SecretKey {
  const colon = part.indexOf(':');
  const id = part.slice(0, Math.max(colon, 0));
  if (!KEY_ID.test(id)) {
    throw new AppError(
      'misconfigured',
      `secret key ${position} must read id:base64key, the id of letters, digits, - and _`,
    );
  }
  const bytes = Buffer.from(part.slice(colon + 1), 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new AppError(
      'misconfigured',
      `secret key "${id}" must be ${KEY_BYTES} bytes in base64, it has ${bytes.length}`,
    );
  }
  return { id, bytes };
}

function decrypt(key: SecretKey, boundTo: string, bytes: Buffer): string {
  const decipher = createDecipheriv(CIPHER, key.bytes, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(boundTo));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  const text = decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
  return Buffer.concat([text, decipher.final()]).toString('utf8');
}

function unreadable(boundTo: string, keyId: string, why: string, cause?: unknown): AppError {
  return new AppError('secret_unreadable', `the secret of ${boundTo} cannot be read: ${why}`, {
    details: { boundTo, keyId },
    cause,
  });
}
