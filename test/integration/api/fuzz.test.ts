import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiFixture, createApiFixture } from '../../support/api-fixture.ts';

let api: ApiFixture;
let webhookPath: string;
const URL = 'https://hooks.acme.com/';
beforeAll(async () => {
  api = await createApiFixture({
    limits: { requests: { burst: 1e9, perSecond: 1e9 }, testDeliveries: { burst: 1e9, perSecond: 1e9 }, webhooks: 1e9 },
  });
  webhookPath = `/api/v1/webhooks/${(await api.client.post('/api/v1/webhooks/', { event_type: 'all', webhook_url: URL })).body.id}/`;
});
afterAll(() => api[Symbol.asyncDispose]());

/** Text with all that breaks databases, parsers and terminals. */
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'é', '🎺', '\0', '\ud800', '\udc00', '/', '~', '%', '\\', '\r', '\n', '"'),
    maxLength: 20,
  }),
  fc.constantFrom(
    '\0',
    '\ud800',
    '\udfff\ud800',
    '\ufeff',
    '__proto__',
    '%00',
    '\u202e',
    "'; DROP TABLE webhooks; --",
    '?',
    '$1',
    ':id',
  ),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.double(),
    fc.constantFrom(null, true, 0, -0, 1e308, 2 ** 63),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }),
  ),
})).value;
/** Mostly the right fields with mostly wrong values, so that the checks behind the first ones are reached too. */
const body = fc.oneof(
  json,
  fc.record(
    {
      event_type: fc.oneof({ weight: 3, arbitrary: fc.constant('all') }, text),
      webhook_url: fc.oneof(
        { weight: 3, arbitrary: fc.constant(URL) },
        text.map((path) => URL + path),
        json,
      ),
      description: fc.oneof(text, json),
      filters: fc.oneof(fc.dictionary(text, fc.array(fc.oneof(text, json), { minLength: 1, maxLength: 3 })), json),
      is_active: fc.oneof(fc.boolean(), json),
      settings: json,
    },
    { requiredKeys: ['event_type', 'webhook_url'] },
  ),
);

test.each([
  { method: 'POST', path: () => '/api/v1/webhooks/', expected: [201, 400] },
  { method: 'PATCH', path: () => webhookPath, expected: [200, 400] },
  { method: 'POST', path: () => '/api/v1/webhooks/test/', expected: [200, 400] },
])('no body makes $method fail in another way than documented', async ({ method, path, expected }) => {
  await fc.assert(
    fc.asyncProperty(body, async (json) => {
      const { status } = await api.client.request(method, path(), { raw: JSON.stringify(json) ?? 'null' });
      expect(expected).toContain(status);
    }),
    { numRuns: 60 },
  );
  const accepted = await api.client.get('/api/v1/webhooks/');
  expect(accepted.status).toBe(200);
});

test('what is accepted is answered as it was given', async () => {
  const texts = text.filter((value) => !value.includes('\0') && value.isWellFormed());
  await fc.assert(
    fc.asyncProperty(
      texts,
      fc.dictionary(
        texts.filter((name) => !name.startsWith('$') && name !== '__proto__'),
        fc.array(texts, { minLength: 1 }),
      ),
      async (description, filters) => {
        const changed = await api.client.patch(webhookPath, { description, filters });
        const { body: shown } = await api.client.get(webhookPath);
        expect(changed.status).toBe(200);
        expect(shown).toMatchObject({ description, filters });
      },
    ),
    { numRuns: 40 },
  );
});

test('no id makes the API fail in another way than documented', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE'),
      async (id, method) => {
        const path = `/api/v1/webhooks/${encodeURIComponent(id)}/`;
        const { status } = await api.client.request(
          method,
          path,
          method === 'GET' || method === 'DELETE' ? {} : { raw: '{}' },
        );
        expect([200, 400, 404, 405]).toContain(status);
      },
    ),
    { numRuns: 40 },
  );
});
