import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSecret } from '../../../src/domain/secret-box.ts';
import { webhookSecretBinding } from '../../../src/domain/webhook-secret.ts';
import { type ApiFixture, createApiFixture } from '../../support/api-fixture.ts';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api[Symbol.asyncDispose]());

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/;
const BODY = { event_type: 'screening.completed', webhook_url: 'https://hooks.acme.com/screening' };

describe('creating', () => {
  test('a webhook is created with the documented keys in their order', async () => {
    const created = await api.client.post('/api/v1/webhooks/', BODY);

    expect(created.status).toBe(201);
    expect(Object.keys(created.body)).toEqual(['id', 'event_type', 'webhook_url', 'secret_key', 'message']);
    expect(created.body).toMatchObject({ ...BODY, message: 'Webhook created successfully' });
    expect(created.body.secret_key).toMatch(/^whsec_[A-Z2-7]{52}$/);
    expect(created.headers.get('content-type')).toBe('application/json; charset=utf-8');
  });

  test('the secret is stored encrypted, bound to its webhook, and never shown again', async () => {
    const { id, secret_key: secret } = (await api.client.post('/api/v1/webhooks/', BODY)).body;

    const { rows } = await api.database.knex.raw('SELECT sealed FROM webhook_secrets WHERE webhook_id = ?', [id]);
    const details = await api.client.get(`/api/v1/webhooks/${id}/`);
    const list = await api.client.get('/api/v1/webhooks/');

    expect(rows[0].sealed).not.toContain(secret.slice(6));
    expect(openSecret(api.deps.keyRing, webhookSecretBinding(id), rows[0].sealed)).toBe(secret);
    expect(details.text + list.text).not.toContain('whsec_');
  });

  test('the URL is answered in its normalised form', async () => {
    const created = await api.client.post('/api/v1/webhooks/', {
      ...BODY,
      webhook_url: 'HTTPS://Hooks.ACME.com:443/a/../b',
    });

    expect(created.body.webhook_url).toBe('https://hooks.acme.com/b');
  });

  test.each(['all', 'test'])('the special type %s may be subscribed to', async (event_type) => {
    expect((await api.client.post('/api/v1/webhooks/', { ...BODY, event_type })).status).toBe(201);
  });

  test.each([
    { given: {}, shown: { description: '', filters: {} } },
    { given: { description: null, filters: null, settings: null }, shown: { description: '', filters: {} } },
    {
      given: { description: 'Ünïcode 🎺', filters: { data: { z: ['x'], a: 'scalar' } }, settings: {} },
      shown: { description: 'Ünïcode 🎺', filters: { data: { z: ['x'], a: 'scalar' } } },
    },
  ])('optional fields take their defaults or what is given: $given', async ({ given, shown }) => {
    const created = await api.client.post('/api/v1/webhooks/', { ...BODY, ...given });
    const details = await api.client.get(`/api/v1/webhooks/${created.body.id}/`);

    expect(details.body).toMatchObject(shown);
    expect(JSON.stringify(details.body.filters)).toBe(JSON.stringify(shown.filters));
  });
});

describe('reading', () => {
  test('a new webhook is listed with the documented keys, zero totals and null', async () => {
    const client = await api.createClient();
    const { id } = (await client.post('/api/v1/webhooks/', { ...BODY, description: 'first' })).body;

    const { body } = await client.get('/api/v1/webhooks/');

    expect(Object.keys(body)).toEqual(['webhooks']);
    expect(Object.entries(body.webhooks[0])).toEqual([
      ['id', id],
      ['event_type', 'screening.completed'],
      ['webhook_url', BODY.webhook_url],
      ['is_active', true],
      ['description', 'first'],
      ['filters', {}],
      ['created_at', expect.stringMatching(TIMESTAMP)],
      ['stats', { total_deliveries: 0, successful_deliveries: 0, failed_deliveries: 0 }],
      ['last_triggered_at', null],
    ]);
  });

  test('details add updated_at after created_at, equal until the first change', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', BODY)).body;

    const { body } = await api.client.get(`/api/v1/webhooks/${id}/`);

    expect(Object.keys(body)).toEqual([
      'id',
      'event_type',
      'webhook_url',
      'is_active',
      'description',
      'filters',
      'created_at',
      'updated_at',
      'stats',
      'last_triggered_at',
    ]);
    expect(body.updated_at).toBe(body.created_at);
  });

  test('totals and the last delivery are those that were recorded', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', BODY)).body;
    await api.database.knex.raw(
      `INSERT INTO webhook_stats VALUES (?, 127, 125, 2, '2026-01-22T09:15:30.987654+01:00')`,
      [id],
    );

    const { body } = await api.client.get(`/api/v1/webhooks/${id}/`);

    expect(body.stats).toEqual({ total_deliveries: 127, successful_deliveries: 125, failed_deliveries: 2 });
    expect(body.last_triggered_at).toBe('2026-01-22T08:15:30.987654+00:00');
  });

  test('the newest webhook comes first', async () => {
    const client = await api.createClient();
    for (const description of ['one', 'two', 'three']) await client.post('/api/v1/webhooks/', { ...BODY, description });

    const { body } = await client.get('/api/v1/webhooks/');

    expect(body.webhooks.map((webhook: { description: string }) => webhook.description)).toEqual([
      'three',
      'two',
      'one',
    ]);
  });

  test('every path works without its trailing slash too, without a redirect', async () => {
    const created = await api.client.post('/api/v1/webhooks', BODY);
    const statuses = [created.status];
    for (const path of [
      '/api/v1/webhooks',
      `/api/v1/webhooks/${created.body.id}`,
      '/api/v1/event-types',
      '/api/v1/test-secret',
    ]) {
      statuses.push((await api.client.get(path)).status);
    }
    statuses.push((await api.client.patch(`/api/v1/webhooks/${created.body.id}`, {})).status);
    statuses.push((await api.client.post('/api/v1/webhooks/test', { webhook_url: BODY.webhook_url })).status);
    statuses.push((await api.client.delete(`/api/v1/webhooks/${created.body.id}`)).status);

    expect(statuses).toEqual([201, 200, 200, 200, 200, 200, 200, 200]);
  });
});

describe('changing', () => {
  test('a PATCH changes what it names and nothing else', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', { ...BODY, description: 'stays' })).body;

    const changed = await api.client.patch(`/api/v1/webhooks/${id}/`, {
      webhook_url: 'https://hooks.acme.com/new',
      is_active: false,
      filters: { data: { country: ['DE'] } },
    });
    const { body } = await api.client.get(`/api/v1/webhooks/${id}/`);

    expect(changed.status).toBe(200);
    expect(Object.entries(changed.body)).toEqual([
      ['message', 'Webhook updated'],
      ['id', id],
    ]);
    expect(body).toMatchObject({
      webhook_url: 'https://hooks.acme.com/new',
      is_active: false,
      description: 'stays',
      filters: { data: { country: ['DE'] } },
    });
    expect(body.updated_at > body.created_at).toBe(true);
  });

  test('null resets description and filters', async () => {
    const { id } = (
      await api.client.post('/api/v1/webhooks/', { ...BODY, description: 'x', filters: { data: { a: [1] } } })
    ).body;

    await api.client.patch(`/api/v1/webhooks/${id}/`, { description: null, filters: null });

    expect((await api.client.get(`/api/v1/webhooks/${id}/`)).body).toMatchObject({ description: '', filters: {} });
  });

  test('an empty PATCH changes nothing', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', BODY)).body;
    const before = (await api.client.get(`/api/v1/webhooks/${id}/`)).body;

    expect((await api.client.patch(`/api/v1/webhooks/${id}/`, {})).status).toBe(200);

    expect((await api.client.get(`/api/v1/webhooks/${id}/`)).body).toEqual(before);
  });

  test('switching a disabled webhook on forgets why it was disabled', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', BODY)).body;
    await api.database.knex('webhooks').where({ id }).update({ is_active: false, disabled_reason: 'gone' });

    await api.client.patch(`/api/v1/webhooks/${id}/`, { is_active: true });

    const [row] = await api.database.knex('webhooks').where({ id }).select('is_active', 'disabled_reason');
    expect(row).toEqual({ is_active: true, disabled_reason: null });
  });

  test('a deleted webhook is gone, with its secrets and totals', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', BODY)).body;
    await api.database.knex.raw('INSERT INTO webhook_stats (webhook_id) VALUES (?)', [id]);

    const deleted = await api.client.delete(`/api/v1/webhooks/${id}/`);

    expect(deleted.status).toBe(200);
    expect(deleted.text).toBe('{"message":"Webhook deleted successfully"}');
    expect((await api.client.get(`/api/v1/webhooks/${id}/`)).status).toBe(404);
    expect((await api.client.delete(`/api/v1/webhooks/${id}/`)).status).toBe(404);
    for (const table of ['webhook_secrets', 'webhook_stats']) {
      expect(await api.database.knex(table).where({ webhook_id: id })).toEqual([]);
    }
  });
});

describe('ids that are not the tenant’s', () => {
  test('another tenant’s webhook is not found, and stays as it is', async () => {
    const { id } = (await api.client.post('/api/v1/webhooks/', BODY)).body;
    const stranger = await api.createClient();
    const path = `/api/v1/webhooks/${id}/`;

    const answers = [
      await stranger.get(path),
      await stranger.patch(path, { is_active: false }),
      await stranger.delete(path),
    ];

    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404]);
    expect((await stranger.get('/api/v1/webhooks/')).body).toEqual({ webhooks: [] });
    expect((await api.client.get(path)).body.is_active).toBe(true);
  });

  test.each([
    randomUUID(),
    'x',
    '1',
    '%00',
    '%ZZ',
    '%ED%A0%80',
    '..%2f..%2fetc',
    'f67f165d-0d1e-4eb7-81e6-3494a260dcdg',
    `${randomUUID()}%0a`,
    "'%20OR%201=1--",
    'a'.repeat(4_000),
  ])('the id %s is not found', async (id) => {
    const path = `/api/v1/webhooks/${id}/`;
    const answers = [await api.client.get(path), await api.client.patch(path, {}), await api.client.delete(path)];

    expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404]);
    expect(answers[0]?.body.code).toBe('not_found');
  });
});

test('the catalogue is listed with description, JSON Schema and sample', async () => {
  const { status, body } = await api.client.get('/api/v1/event-types/');

  expect(status).toBe(200);
  expect(body.event_types.map((entry: { event_type: string }) => entry.event_type)).toEqual([
    'case.opened',
    'case.resolved',
    'screening.completed',
  ]);
  expect(Object.keys(body.event_types[0])).toEqual(['event_type', 'description', 'json_schema', 'sample']);
});
