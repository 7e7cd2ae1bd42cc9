import { describe, expect, test } from 'vitest';
import { openSecret, parseKeyRing, sealedWith, sealSecret } from '../../../src/domain/secret-box.ts';

const key = (id: string, fill: number) => `${id}:${Buffer.alloc(32, fill).toString('base64')}`;
const nonce = (fill = 1) => Buffer.alloc(12, fill);
const ring = parseKeyRing(key('k1', 1));

test('what was sealed opens again, for the same row only', () => {
  const sealed = sealSecret(ring, 'webhook:1', 'whsec_ünïcode', nonce());

  expect(openSecret(ring, 'webhook:1', sealed)).toBe('whsec_ünïcode');
  expect(() => openSecret(ring, 'webhook:2', sealed)).toThrow(expect.objectContaining({ code: 'secret_unreadable' }));
});

test('the text names its key and hides the secret', () => {
  const sealed = sealSecret(ring, 'webhook:1', 'visible', nonce());

  expect(sealed).toMatch(/^v1\.k1\.[A-Za-z0-9_-]+$/);
  expect(sealedWith(sealed)).toBe('k1');
  expect(Buffer.from(sealed.split('.')[2] ?? '', 'base64url').toString('latin1')).not.toContain('visible');
});

test('the same secret never looks the same with another nonce', () => {
  expect(sealSecret(ring, 'a', 'x', nonce(1))).not.toBe(sealSecret(ring, 'a', 'x', nonce(2)));
});

test('the first key seals, every key opens', () => {
  const rotated = parseKeyRing(`${key('k2', 2)}, ${key('k1', 1)}`);

  expect(openSecret(rotated, 'a', sealSecret(ring, 'a', 'old', nonce()))).toBe('old');
  expect(sealedWith(sealSecret(rotated, 'a', 'new', nonce()))).toBe('k2');
});

describe('what cannot be read says so with a code', () => {
  const sealed = sealSecret(ring, 'a', 'secret', nonce());
  const changed = sealed.replace(/\.(.)([^.]*)$/, (_, first, rest) => `.${first === 'A' ? 'B' : 'A'}${rest}`);

  test.each([
    { name: 'a wrong key under the same id', from: parseKeyRing(key('k1', 9)), text: sealed },
    { name: 'a key that is not there', from: parseKeyRing(key('k9', 9)), text: sealed },
    { name: 'a changed byte', from: ring, text: changed },
    { name: 'another format', from: ring, text: sealed.replace('v1', 'v2') },
    { name: 'nothing', from: ring, text: '' },
    { name: 'a stump', from: ring, text: 'v1.k1.AAAA' },
  ])('$name', ({ from, text }) => {
    expect(() => openSecret(from, 'a', text)).toThrow(expect.objectContaining({ code: 'secret_unreadable' }));
  });
});

describe('a key ring that cannot be used names the key, never its bytes', () => {
  test.each([
    { text: '', says: 'secret key 1' },
    { text: 'k1', says: 'secret key 1' },
    { text: 'bad id:AAAA', says: 'secret key 1' },
    { text: `${key('k1', 1)},`, says: 'secret key 2' },
    { text: 'k1:c2hvcnQ=', says: '"k1" must be 32 bytes' },
    { text: `${key('k1', 1)},${key('k1', 2)}`, says: 'same id' },
  ])('"$text"', ({ text, says }) => {
    expect(() => parseKeyRing(text)).toThrow(
      expect.objectContaining({ code: 'misconfigured', message: expect.stringContaining(says) }),
    );
    expect(() => parseKeyRing(text)).not.toThrow('c2hvcnQ');
  });
});
