import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ApiResponse } from '../../support/api-client.ts';
import { type ApiFixture, createApiFixture } from '../../support/api-fixture.ts';

let api: ApiFixture;
let webhookPath: string;
beforeAll(async () => {
  api = await createApiFixture();
  webhookPath = `/api/v1/webhooks/${(await api.client.post('/api/v1/webhooks/', BODY)).body.id}/`;
});
afterAll(() => api[Symbol.asyncDispose]());

const BODY = { event_type: 'screening.completed', webhook_url: 'https://hooks.acme.com/screening' };
const NUL = '\u0000';
const LONE = '\ud800';

/** Creates with the body, and expects a refusal in the documented form. */
async function refusedCreate(json: unknown): Promise<ApiResponse> {
  const answer = await api.client.post('/api/v1/webhooks/', json);
  expect(answer.status).toBe(400);
  return answer;
}

function nested(depth: number): unknown {
  let value: unknown = ['x'];
  for (let level = 0; level < depth; level += 1) value = { a: value };
  return value;
}

describe('bodies without the documented form', () => {
  test.each([
    { given: {}, field: 'event_type', code: 'required' },
    { given: { event_type: 'all' }, field: 'webhook_url', code: 'required' },
    { given: { ...BODY, event_type: 5 }, field: 'event_type', code: 'wrong_type' },
    { given: { ...BODY, event_type: null }, field: 'event_type', code: 'wrong_type' },
    { given: { ...BODY, webhook_url: ['x'] }, field: 'webhook_url', code: 'wrong_type' },
    { given: { ...BODY, webhook_url: null }, field: 'webhook_url', code: 'wrong_type' },
    { given: { ...BODY, description: 5 }, field: 'description', code: 'wrong_type' },
    { given: { ...BODY, description: 'x'.repeat(2_001) }, field: 'description', code: 'too_long' },
    { given: { ...BODY, description: `a${NUL}b` }, field: 'description', code: 'invalid_characters' },
    { given: { ...BODY, description: LONE }, field: 'description', code: 'invalid_characters' },
    { given: { ...BODY, filters: [] }, field: 'filters', code: 'wrong_type' },
    { given: { ...BODY, filters: 'x' }, field: 'filters', code: 'wrong_type' },
    { given: { ...BODY, is_active: true }, field: 'is_active', code: 'unknown_field' },
    { given: { ...BODY, secret_key: 'whsec_x' }, field: 'secret_key', code: 'unknown_field' },
    { given: { ...BODY, id: 1 }, field: 'id', code: 'unknown_field' },
    { given: { ...BODY, constructor: 1 }, field: 'constructor', code: 'unknown_field' },
    { given: { ...BODY, [`${LONE}${NUL}`]: 1 }, field: `\ufffd${NUL}`, code: 'unknown_field' },
    { given: { ...BODY, settings: { timeout: 3 } }, field: 'settings/timeout', code: 'unknown_field' },
    { given: [BODY], field: '', code: 'wrong_type' },
    { given: 'text', field: '', code: 'wrong_type' },
    { given: 5, field: '', code: 'wrong_type' },
    { given: null, field: '', code: 'wrong_type' },
  ])('creating: $code at "$field"', async ({ given, field, code }) => {
    const { body } = await refusedCreate(given);

    expect(body.code).toBe('validation_failed');
    expect(body.errors).toContainEqual({ field, code, message: expect.any(String) });
  });

  test.each([
    { given: { event_type: 'all' }, field: 'event_type', code: 'unknown_field' },
    { given: { is_active: null }, field: 'is_active', code: 'wrong_type' },
    { given: { is_active: 'true' }, field: 'is_active', code: 'wrong_type' },
    { given: { webhook_url: null }, field: 'webhook_url', code: 'wrong_type' },
    { given: { description: NUL }, field: 'description', code: 'invalid_characters' },
    { given: { settings: {} }, field: 'settings', code: 'unknown_field' },
    { given: [], field: '', code: 'wrong_type' },
  ])('changing: $code at "$field"', async ({ given, field, code }) => {
    const { status, body } = await api.client.patch(webhookPath, given);

    expect(status).toBe(400);
    expect(body.errors).toContainEqual({ field, code, message: expect.any(String) });
  });

  test('all errors are reported at once, and not more than help', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`unknown${index}`, 1]));

    expect((await refusedCreate({ event_type: 5 })).body.errors).toHaveLength(2);
    expect((await refusedCreate(many)).body.errors).toHaveLength(20);
  });
});

describe('values that cannot be accepted', () => {
  const URLS = [
    { url: '', code: 'url_invalid' },
    { url: 'not a url', code: 'url_invalid' },
    { url: `https://hooks.acme.com/${NUL}`, code: 'url_invalid' },
    { url: `https://hooks.acme.com/${LONE}`, code: 'url_invalid' },
    { url: `https://hooks.acme.com/${'x'.repeat(3_000)}`, code: 'url_invalid' },
    { url: 'http://hooks.acme.com/', code: 'url_scheme' },
    { url: 'ftp://hooks.acme.com/', code: 'url_scheme' },
    { url: 'https://user:pass@hooks.acme.com/', code: 'url_userinfo' },
    { url: 'https://hooks.acme.com:22/', code: 'url_port' },
    { url: 'https://localhost/', code: 'destination_not_allowed' },
    { url: 'https://127.0.0.1/', code: 'destination_not_allowed' },
    { url: 'https://[::1]/', code: 'destination_not_allowed' },
    { url: 'https://169.254.169.254/latest', code: 'destination_not_allowed' },
    { url: 'https://metadata.google.internal/', code: 'destination_not_allowed' },
  ];

  test.each(URLS)('the URL "$url" is refused alike everywhere: $code', async ({ url, code }) => {
    const answers = [
      await api.client.post('/api/v1/webhooks/', { ...BODY, webhook_url: url }),
      await api.client.patch(webhookPath, { webhook_url: url }),
      await api.client.post('/api/v1/webhooks/test/', { webhook_url: url }),
    ];

    for (const { status, body } of answers) {
      expect(status).toBe(400);
      expect(body.code).toBe(code);
      expect(body.errors).toEqual([{ field: 'webhook_url', code, message: expect.any(String) }]);
    }
  });

  test.each(['', 'nope', 'ALL', 'screening.Completed', 'screening.completed ', NUL, LONE, '__proto__', 'constructor'])(
    'the event type "%s" is unknown',
    async (event_type) => {
      const { body } = await refusedCreate({ ...BODY, event_type });

      expect(body.code).toBe('event_type_unknown');
      expect(body.errors[0].field).toBe('event_type');
    },
  );

  test.each([
    { filters: { data: { a: [] } }, field: 'filters/data/a' },
    { filters: { data: { 'x/y': [{ prefix: 5 }] } }, field: 'filters/data/x~1y/0/prefix' },
    { filters: { data: { a: [{ between: [1, 2] }] } }, field: 'filters/data/a/0' },
    { filters: { data: { a: [NUL] } }, field: 'filters/data/a/0' },
    { filters: { data: { a: [LONE] } }, field: 'filters/data/a/0' },
    { filters: { [`${LONE}`]: ['x'] }, field: 'filters/\ufffd' },
    { filters: { data: { a: 'x'.repeat(20_000) } }, field: 'filters' },
    { filters: nested(30), field: expect.stringMatching(/^filters(\/a)+$/) },
  ])('the filters are no event pattern at $field', async ({ filters, field }) => {
    const { body } = await refusedCreate({ ...BODY, filters });

    expect(body.code).toBe('filter_invalid');
    expect(body.errors).toEqual([{ field, code: 'filter_invalid', message: expect.any(String) }]);
  });

  test('numbers beyond all range are refused', async () => {
    const raw = '{"event_type":"all","webhook_url":"https://hooks.acme.com/","filters":{"data":{"a":[1e999]}}}';

    expect((await api.client.request('POST', '/api/v1/webhooks/', { raw })).body.code).toBe('filter_invalid');
  });
});

describe('bodies that are no JSON', () => {
  test.each([
    { name: 'cut off', raw: '{"event_type":' },
    { name: 'empty', raw: '' },
    { name: 'a comment', raw: '{} // x' },
    { name: '__proto__', raw: '{"__proto__":{"x":1},"event_type":"all"}' },
    { name: 'an escaped __proto__', raw: '{"\\u005f_proto__":{"x":1}}' },
    { name: 'UTF-16', raw: new Uint8Array(Buffer.from('{"a":1}', 'utf16le')) },
    { name: 'a broken list nested 100,000 deep', raw: '['.repeat(100_000) },
  ])('$name', async ({ raw }) => {
    const { status, body } = await api.client.request('POST', '/api/v1/webhooks/', { raw });

    expect([status, body.code]).toEqual([400, 'malformed_json']);
  });

  test.each([
    { name: 'lists', raw: `{"filters":${'['.repeat(100_000)}${']'.repeat(100_000)}}` },
    { name: 'objects', raw: `{"filters":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}}` },
  ])('$name nested very deep are a bad request', async ({ raw }) => {
    expect((await api.client.request('PATCH', webhookPath, { raw })).status).toBe(400);
  });

  test('a broken compression is a bad request, an unknown one is not supported', async () => {
    const broken = { raw: 'no gzip', headers: { 'content-encoding': 'gzip' } };
    const unknown = { raw: '{}', headers: { 'content-encoding': 'rot13' } };

    expect((await api.client.request('POST', '/api/v1/webhooks/', broken)).status).toBe(400);
    expect((await api.client.request('POST', '/api/v1/webhooks/', unknown)).status).toBe(415);
  });
});

describe('media types', () => {
  const raw = JSON.stringify(BODY);

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'garbage',
    'application/jsonx',
  ])('%s is not supported', async (type) => {
    const { status, body } = await api.client.request('POST', '/api/v1/webhooks/', {
      raw,
      headers: { 'content-type': type },
    });

    expect([status, body.code]).toEqual([415, 'unsupported_media_type']);
  });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset=UTF-8',
    'application/vnd.acme+json',
  ])('%s is JSON', async (type) => {
    const answer = await api.client.request('POST', '/api/v1/webhooks/', { raw, headers: { 'content-type': type } });

    expect(answer.status).toBe(201);
  });
});

describe('sizes', () => {
  const filler = (bytes: number) => JSON.stringify({ ...BODY, x: 'x'.repeat(bytes) });

  test('256 KiB are read, one byte more is not', async () => {
    const overhead = filler(0).length;
    const fits = await api.client.request('POST', '/api/v1/webhooks/', { raw: filler(262_144 - overhead) });
    const tooLarge = await api.client.request('POST', '/api/v1/webhooks/', { raw: filler(262_145 - overhead) });

    expect(fits.body.code).toBe('validation_failed');
    expect([tooLarge.status, tooLarge.body.code]).toEqual([413, 'payload_too_large']);
  });

  test('a body of unknown length is cut off at the limit', async () => {
    const chunk = new TextEncoder().encode('x'.repeat(65_536));
    const raw = new ReadableStream({
      start(controller) {
        for (let count = 0; count < 40; count += 1) controller.enqueue(chunk);
        controller.close();
      },
    });

    expect((await api.client.request('POST', '/api/v1/webhooks/', { raw })).status).toBe(413);
  });

  test('what a small compressed body becomes counts', async () => {
    const raw = new Uint8Array(gzipSync(filler(3_000_000)));

    const answer = await api.client.request('POST', '/api/v1/webhooks/', {
      raw,
      headers: { 'content-encoding': 'gzip' },
    });

    expect(answer.status).toBe(413);
  });
});

describe('the order of checks', () => {
  const huge = 'x'.repeat(300_000);

  test.each([
    { name: 'an unknown address before everything', method: 'POST', path: '/api/v2/webhooks/', key: null, status: 404 },
    { name: 'the method before authentication', method: 'PUT', path: '/api/v1/webhooks/', key: null, status: 405 },
    { name: 'authentication before the size', method: 'POST', path: '/api/v1/webhooks/', key: null, status: 401 },
    { name: 'the size before the type', method: 'POST', path: '/api/v1/webhooks/', status: 413 },
    { name: 'the type before the JSON', method: 'POST', path: '/api/v1/webhooks/', raw: '{', status: 415 },
    {
      name: 'the schema before the id',
      method: 'PATCH',
      path: '/api/v1/webhooks/x/',
      raw: '{"a":1}',
      type: 'application/json',
      status: 400,
    },
    {
      name: 'the id last',
      method: 'PATCH',
      path: '/api/v1/webhooks/x/',
      raw: '{}',
      type: 'application/json',
      status: 404,
    },
  ])('$name: $status', async ({ method, path, key, raw = huge, type = 'text/plain', status }) => {
    const client = key === null ? api.client.withKey(null) : api.client;

    expect((await client.request(method, path, { raw, headers: { 'content-type': type } })).status).toBe(status);
  });

  test('a scope that is missing is said before the body is looked at', async () => {
    const reader = api.client.withKey(await api.createKey(api.tenantId, ['webhooks:read']));

    const refused = await reader.request('POST', '/api/v1/webhooks/', {
      raw: huge,
      headers: { 'content-type': 'text/plain' },
    });

    expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
    expect((await reader.get('/api/v1/webhooks/')).status).toBe(200);
  });
});

describe('methods', () => {
  test.each([
    { method: 'PUT', path: '/api/v1/webhooks/', allow: 'HEAD, GET, POST' },
    { method: 'DELETE', path: '/api/v1/webhooks', allow: 'HEAD, GET, POST' },
    { method: 'GET', path: '/api/v1/webhooks/test/', allow: 'POST' },
    { method: 'PATCH', path: '/api/v1/webhooks/test', allow: 'POST' },
    { method: 'DELETE', path: '/api/v1/webhooks/test/', allow: 'POST' },
    { method: 'POST', path: '/api/v1/webhooks/x/', allow: 'HEAD, GET, PATCH, DELETE' },
    { method: 'OPTIONS', path: '/api/v1/event-types/', allow: 'HEAD, GET' },
    { method: 'POST', path: '/api/v1/test-secret/', allow: 'HEAD, GET' },
    { method: 'POST', path: '/openapi.json', allow: 'HEAD, GET' },
    { method: 'DELETE', path: '/docs', allow: 'HEAD, GET' },
  ])('$method $path is not allowed; Allow says $allow', async ({ method, path, allow }) => {
    const response = await fetch(api.url + path, { method });

    expect(response.status).toBe(405);
    expect(new Set(response.headers.get('allow')?.split(', '))).toEqual(new Set(allow.split(', ')));
    expect(await response.json()).toMatchObject({ status: 405, code: 'method_not_allowed' });
  });

  test('HEAD answers like GET without a body', async () => {
    const answer = await api.client.request('HEAD', '/api/v1/webhooks/');

    expect([answer.status, answer.text]).toEqual([200, '']);
  });
});

test('a refusal has the members of RFC 9457, a code and the errors field by field', async () => {
  const { body, headers } = await refusedCreate({ ...BODY, nope: 1 });

  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(body).toEqual({
    type: 'about:blank',
    title: 'Bad Request',
    status: 400,
    detail: 'nope: is not a known field',
    instance: `urn:uuid:${headers.get('x-request-id')}`,
    code: 'validation_failed',
    errors: [{ field: 'nope', code: 'unknown_field', message: 'is not a known field' }],
  });
});

test.each([
  '/',
  '/api',
  '/api/v1',
  '/API/V1/webhooks/',
  '/api/v1/webhooks//',
  '/api/v1/webhooks/x/y/',
  '/.env',
  '/%00',
  '/%ZZ',
])('the address %s does not exist', async (path) => {
  expect((await api.client.get(path)).status).toBe(404);
});
