import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { describe, expect, it } from 'vitest';
import { signatureHeader, signingKeyOf } from '../../../src/domain/signature.ts';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const secrets = fc
  .array(fc.constantFrom(...BASE32.split('')), { minLength: 52, maxLength: 52 })
  .map((letters) => `whsec_${letters.join('')}`);

interface Vector {
  readonly secret: string;
  readonly id: string;
  readonly timestampSeconds: number;
  readonly body: string;
  readonly expected: string;
}

const OFFICIAL: Vector = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestampSeconds: 1614265330,
  body: '{"test": 2432232314}',
  expected: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};

const VECTORS: readonly Vector[] = [
  OFFICIAL,
  {
    secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
    id: 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    timestampSeconds: 1649367553,
    body: '{"email":"test@example.com","username":"test_user"}',
    expected: 'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  },
  {
    ...OFFICIAL,
    secret: 'whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ',
    expected: 'v1,Y9QEMscnmCEmbR+DOPtwcz35YcU+77gGk7N8iLTTYkE=',
  },
];

describe('signatureHeader', () => {
  it.each(VECTORS)('gives the published signature for $secret', ({ secret, body, expected, ...input }) => {
    const header = signatureHeader({ ...input, body: Buffer.from(body), keys: [signingKeyOf(secret)] });
    expect(header).toBe(expected);
  });

  it('uses the 39 bytes that our 52 characters stand for in base64', () => {
    const key = signingKeyOf('whsec_AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ').export();
    expect(key.toString('hex')).toBe('0000101006040140c038200904815060320e0782010844130902913056180c43415870390d83d0');
  });

  it('puts the newest signature first with exactly one space between', () => {
    const [first, , third] = VECTORS;
    const keys = [first, third].map((vector) => signingKeyOf(vector?.secret ?? ''));
    const { id, timestampSeconds, body } = OFFICIAL;
    const header = signatureHeader({ id, timestampSeconds, body: Buffer.from(body), keys });
    expect(header).toBe(`${first?.expected} ${third?.expected}`);
  });

  it('verifies with both official packages, for any secret, body and rotation', () => {
    const property = fc.property(
      secrets,
      secrets,
      fc.json(),
      fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
      (newer, older, body, id) => {
        const timestampSeconds = Math.floor(Date.now() / 1000);
        const keys = [signingKeyOf(newer), signingKeyOf(older)];
        const signature = signatureHeader({ id, timestampSeconds, body: Buffer.from(body), keys });
        const headers = {
          'webhook-id': id,
          'webhook-timestamp': String(timestampSeconds),
          'webhook-signature': signature,
        };
        for (const secret of [newer, older]) {
          expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
          expect(new SvixWebhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
        }
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('does not verify with another secret, body, id or time', () => {
    const secret = OFFICIAL.secret;
    const timestampSeconds = Math.floor(Date.now() / 1000);
    const keys = [signingKeyOf(secret)];
    const signature = signatureHeader({ id: 'a', timestampSeconds, body: Buffer.from('{}'), keys });
    const headers = {
      'webhook-id': 'a',
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': signature,
    };
    const other = VECTORS[1]?.secret ?? '';
    expect(() => new Webhook(other).verify('{}', headers)).toThrow();
    expect(() => new Webhook(secret).verify('{ }', headers)).toThrow();
    expect(() => new Webhook(secret).verify('{}', { ...headers, 'webhook-id': 'b' })).toThrow();
    expect(() =>
      new Webhook(secret).verify('{}', { ...headers, 'webhook-timestamp': String(timestampSeconds - 1) }),
    ).toThrow();
  });
});
