import { describe, expect, test } from 'vitest';
import { digestMatches, formatApiKey, isApiScope, parseApiKey } from '../../../src/domain/api-key.ts';
import { toBase32 } from '../../../src/domain/base32.ts';
import { isTenantId } from '../../../src/domain/tenant.ts';
import { formatWebhookSecret, isWebhookSecret } from '../../../src/domain/webhook-secret.ts';

const random = Buffer.from(Array.from({ length: 37 }, (_, index) => index));
const key = formatApiKey(random);

describe('an API key', () => {
  test('is a prefix, a public id, a secret and a checksum, and one word', () => {
    expect(key.text).toMatch(/^phk_[a-z2-7]{8}_[a-z2-7]{52}_[a-z2-7]{6}$/);
    expect(key.text.split('_')[1]).toBe(key.id);
  });

  test('is taken apart into what is stored', () => {
    expect(parseApiKey(key.text)).toEqual({ id: key.id, digest: key.digest });
    expect(key.digest).toHaveLength(32);
  });

  test.each([
    '',
    'phk_',
    key.text.toUpperCase(),
    `${key.text} `,
    `${key.text}\n`,
    key.text.slice(0, -1),
    `${key.text}a`,
    key.text.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')),
    key.text.replace('phk_a', 'phk_b'),
  ])('with a fault is told from noise by its checksum: %j', (text) => {
    expect(parseApiKey(text)).toBeNull();
  });

  test('matches its own digest and no other, and none at all when there is none', () => {
    const other = formatApiKey(Buffer.alloc(37, 9)).digest;

    expect(digestMatches(key.digest, Buffer.from(key.digest))).toBe(true);
    expect(digestMatches(key.digest, other)).toBe(false);
    expect(digestMatches(key.digest, key.digest.subarray(1))).toBe(false);
    expect(digestMatches(key.digest, null)).toBe(false);
    expect(digestMatches(Buffer.alloc(32), null)).toBe(false);
  });

  test('has only scopes that exist', () => {
    expect([isApiScope('webhooks:read'), isApiScope('webhooks:everything')]).toEqual([true, false]);
  });
});

describe('a webhook secret', () => {
  test('is whsec_ and the base32 of 32 bytes', () => {
    const secret = formatWebhookSecret(random.subarray(0, 32));

    expect(secret).toBe('whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ');
    expect(isWebhookSecret(secret)).toBe(true);
    expect(isWebhookSecret(secret.toLowerCase())).toBe(false);
  });

  test('needs all its randomness', () => {
    expect(() => formatWebhookSecret(Buffer.alloc(31))).toThrow('32 random bytes');
  });
});

// The test vectors of RFC 4648, without their padding.
test.each([
  ['', ''],
  ['f', 'MY'],
  ['fo', 'MZXQ'],
  ['foo', 'MZXW6'],
  ['foob', 'MZXW6YQ'],
  ['fooba', 'MZXW6YTB'],
  ['foobar', 'MZXW6YTBOI'],
])('base32 of "%s" is "%s"', (text, encoded) => {
  expect(toBase32(Buffer.from(text))).toBe(encoded);
});

test.each([
  ['local', true],
  ['Acme.GmbH:eu-1_x', true],
  ['a'.repeat(128), true],
  ['', false],
  ['a'.repeat(129), false],
  ['-a', false],
  ['a b', false],
  ['a\n', false],
  ['ä', false],
])('the tenant id %j is acceptable: %s', (text, isAcceptable) => {
  expect(isTenantId(text)).toBe(isAcceptable);
});
