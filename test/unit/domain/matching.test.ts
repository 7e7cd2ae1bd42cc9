import { expect, test } from 'vitest';
import { deliveryIdOf } from '../../../src/domain/delivery-id.ts';
import { WebhookIndex } from '../../../src/domain/matching.ts';
import type { CachedWebhook } from '../../../src/domain/webhook.ts';

function aWebhook(overrides: Partial<CachedWebhook>): CachedWebhook {
  return {
    id: 'w1',
    tenantId: 'acme',
    eventType: 'case.opened',
    url: 'https://example.com/',
    description: '',
    filters: {},
    isActive: true,
    disabledReason: null,
    version: 1,
    createdAt: '',
    updatedAt: '',
    encryptedSecrets: [],
    ...overrides,
  };
}

function indexOf(...webhooks: CachedWebhook[]): WebhookIndex {
  const index = new WebhookIndex();
  for (const webhook of webhooks) index.put(webhook);
  return index;
}

const idsFor = (index: WebhookIndex, tenantId: string, type: string) =>
  index
    .match({ tenantId, type })
    .map(({ id }) => id)
    .toSorted();

test('an event reaches the webhooks of its tenant for its type and for all types', () => {
  const index = indexOf(
    aWebhook({ id: 'exact' }),
    aWebhook({ id: 'wildcard', eventType: 'all' }),
    aWebhook({ id: 'other-type', eventType: 'case.resolved' }),
    aWebhook({ id: 'other-tenant', tenantId: 'globex' }),
  );
  expect(idsFor(index, 'acme', 'case.opened')).toEqual(['exact', 'wildcard']);
  expect(idsFor(index, 'initech', 'case.opened')).toEqual([]);
});

test('an inactive webhook is not matched, and is again once it is active', () => {
  const index = indexOf(aWebhook({}));
  index.put(aWebhook({ isActive: false }));
  expect(idsFor(index, 'acme', 'case.opened')).toEqual([]);
  index.put(aWebhook({}));
  expect(idsFor(index, 'acme', 'case.opened')).toEqual(['w1']);
});

test('a removed webhook leaves nothing behind', () => {
  const index = indexOf(aWebhook({}));
  index.remove('w1');
  index.remove('w1');
  expect(index.size).toBe(0);
  expect(idsFor(index, 'acme', 'case.opened')).toEqual([]);
});

const identity = { tenantId: 'acme', source: '/app', eventId: 'e1', webhookId: 'w1', replayId: '' };

test('a delivery id is a version 5 UUID and the same whenever it is computed', () => {
  const id = deliveryIdOf(identity);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(deliveryIdOf({ ...identity })).toBe(id);
});

test('every part of the identity makes another delivery, also where parts run into each other', () => {
  const ids = [
    identity,
    { ...identity, tenantId: 'globex' },
    { ...identity, source: '/other' },
    { ...identity, eventId: 'e2' },
    { ...identity, webhookId: 'w2' },
    { ...identity, replayId: 'r1' },
    { ...identity, tenantId: 'acme/', source: 'app' },
  ].map(deliveryIdOf);
  expect(new Set(ids).size).toBe(ids.length);
});
