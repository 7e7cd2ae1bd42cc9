import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { API_KEY_RANDOM_BYTES, formatApiKey } from '../../../src/domain/api-key.ts';
import { revokeApiKey } from '../../../src/infrastructure/postgres/api-key-store.ts';
import { createApiStores } from '../../../src/infrastructure/postgres/api-stores.ts';
import { openDatabase } from '../../../src/infrastructure/postgres/database.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { DEFAULT_LIMITS } from '../../../src/processes/api/limits.ts';
import { createApiFixture, recordingSender, responded } from '../../support/api-fixture.ts';

const BODY = { event_type: 'all', webhook_url: 'https://hooks.acme.com/' };

describe('API keys', () => {
  test('a key works as a bearer token and in X-API-Key; with both, the bearer token counts', async () => {
    await using api = await createApiFixture();
    const anonymous = api.client.withKey(null);
    const ask = async (headers: Record<string, string>) =>
      (await anonymous.get('/api/v1/webhooks/', { headers })).status;

    expect(await ask({ authorization: `Bearer ${api.apiKey}` })).toBe(200);
    expect(await ask({ authorization: `bearer   ${api.apiKey} ` })).toBe(200);
    expect(await ask({ 'x-api-key': api.apiKey })).toBe(200);
    expect(await ask({ 'x-api-key': 'nonsense', authorization: `Bearer ${api.apiKey}` })).toBe(200);
    expect(await ask({ 'x-api-key': api.apiKey, authorization: 'Bearer nonsense' })).toBe(401);
  });

  test('no key, a malformed one, an unknown one and a wrong secret are refused alike', async () => {
    await using api = await createApiFixture();
    const other = formatApiKey(randomBytes(API_KEY_RANDOM_BYTES));
    const forged = formatApiKey(Buffer.concat([idBytesOf(api.apiKey), randomBytes(32)]));
    expect(forged.text.split('_')[1]).toBe(api.apiKey.split('_')[1]);

    for (const key of [null, 'x', '', `${api.apiKey}x`, other.text, forged.text, 'a'.repeat(10_000)]) {
      const { status, body, headers } = await api.client.withKey(key).get('/api/v1/webhooks/');
      expect([status, body.code]).toEqual([401, 'unauthorized']);
      expect(headers.get('www-authenticate')).toMatch(/^Bearer /);
    }
    expect(
      (await api.client.withKey(null).get('/api/v1/webhooks/', { headers: { authorization: 'Basic eDp5' } })).status,
    ).toBe(401);
  });

  test('a revoked key ends at once', async () => {
    await using api = await createApiFixture();
    expect((await api.client.get('/api/v1/webhooks/')).status).toBe(200);

    await revokeApiKey(api.database, formatId(api.apiKey));

    expect((await api.client.get('/api/v1/webhooks/')).status).toBe(401);
  });

  test('all keys of a tenant see the same webhooks', async () => {
    await using api = await createApiFixture();
    await api.client.post('/api/v1/webhooks/', BODY);
    const second = api.client.withKey(await api.createKey(api.tenantId));

    expect((await second.get('/api/v1/webhooks/')).body.webhooks).toHaveLength(1);
  });
});

describe('limits per tenant', () => {
  test('requests beyond the burst wait for the time that Retry-After names', async () => {
    let nowMs = 1_000;
    const limits = { ...DEFAULT_LIMITS, requests: { burst: 3, perSecond: 0.5 } };
    await using api = await createApiFixture({ limits, monotonicMs: () => nowMs });
    const ask = () => api.client.get('/api/v1/webhooks/');

    const statuses = [await ask(), await ask(), await ask()].map((answer) => answer.status);
    const refused = await ask();
    const neighbour = await (await api.createClient()).get('/api/v1/webhooks/');
    nowMs += 2_000;
    const later = await ask();

    expect(statuses).toEqual([200, 200, 200]);
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'rate_limited', '2']);
    expect(neighbour.status).toBe(200);
    expect(later.status).toBe(200);
  });

  test('test deliveries have a limit of their own, which bad requests do not use up', async () => {
    const sender = recordingSender(responded(200));
    const limits = { ...DEFAULT_LIMITS, testDeliveries: { burst: 2, perSecond: 0.5 } };
    await using api = await createApiFixture({ limits, send: sender.send, monotonicMs: () => 0 });
    const ask = (webhook_url: string) => api.client.post('/api/v1/webhooks/test/', { webhook_url });

    for (let count = 0; count < 5; count += 1) await ask('nonsense');
    const statuses = [await ask(BODY.webhook_url), await ask(BODY.webhook_url), await ask(BODY.webhook_url)];

    expect(statuses.map((answer) => answer.status)).toEqual([200, 200, 429]);
    expect(sender.requests).toHaveLength(2);
    expect((await ask('nonsense')).status).toBe(429);
    expect((await api.client.get('/api/v1/webhooks/')).status).toBe(200);
  });

  test('the last free webhook goes to one of many at once', async () => {
    await using api = await createApiFixture({ limits: { ...DEFAULT_LIMITS, webhooks: 3 } });
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.client.post('/api/v1/webhooks/', BODY)));

    const refused = answers.filter((answer) => answer.status === 429);
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(3);
    expect(refused).toHaveLength(5);
    expect(refused[0]?.body.code).toBe('limit_reached');
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

test('while PostgreSQL is away the API says 503 and when to come back', async () => {
  const away = createApiStores(
    openDatabase({ url: 'postgres://nobody@127.0.0.1:1/nowhere', log: createSilentLogger(), poolSize: 1 }),
  );
  await using api = await createApiFixture({ stores: away });

  const { status, body, headers } = await api.client.get('/api/v1/webhooks/');

  expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '5']);
});

/** The bytes whose base32 is the public id of a key. */
function idBytesOf(key: string): Buffer {
  let bits = '';
  for (const character of formatId(key))
    bits += 'abcdefghijklmnopqrstuvwxyz234567'.indexOf(character).toString(2).padStart(5, '0');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

function formatId(key: string): string {
  return key.split('_')[1] ?? '';
}
