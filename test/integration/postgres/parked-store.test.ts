import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AttemptRecord } from '../../../src/domain/attempt-record.ts';
import { releasable } from '../../../src/domain/parking.ts';
import {
  forgetReleased,
  releasableWebhooks,
  releaseParked,
} from '../../../src/infrastructure/postgres/parked-store.ts';
import { anAttempt } from '../../support/attempts.ts';
import { aBatch, createTestStore, insertWebhook, type TestStore } from '../../support/recorder-store.ts';
import { waitUntil } from '../../support/wait-until.ts';

const NOW_MS = Date.now();
const CREATED_MS = NOW_MS - 60_000;
let log: TestStore;
beforeAll(async () => {
  log = await createTestStore();
});
afterAll(() => log[Symbol.asyncDispose]());

async function record(...attempts: AttemptRecord[]): Promise<void> {
  expect(await log.store.writeBatch(aBatch({ attempts }))).toEqual({ kind: 'written' });
}

async function versionOf(webhookId: string): Promise<number> {
  const row = await log.database.knex('webhooks').where({ id: webhookId }).first();
  return Number(row.version);
}

/** An active webhook that has failed just now, with parked deliveries; the names are their records, oldest first. */
async function parkedWebhook(count: number): Promise<{ id: string; names: string[]; parked: AttemptRecord[] }> {
  const id = await insertWebhook(log.database);
  const names = Array.from({ length: count }, (_, index) => `delivery ${index}`);
  const parked = names.map((name, index) => aParked(id, name, CREATED_MS + index));
  await record(await aFailure(id), ...parked.toReversed());
  return { id, names, parked };
}

function aParked(webhookId: string, name: string, createdAtMs: number, fields: Partial<AttemptRecord> = {}) {
  return anAttempt({
    webhook_id: webhookId,
    kind: 'set_aside',
    outcome: 'parked',
    status_code: null,
    delivery_created_at_ms: createdAtMs,
    delivery: Buffer.from(name),
    ...fields,
  });
}

async function aFailure(webhookId: string, endedAtMs = NOW_MS): Promise<AttemptRecord> {
  const version = await versionOf(webhookId);
  const at = { started_at_ms: endedAtMs, duration_us: 0, webhook_version: version };
  return anAttempt({ webhook_id: webhookId, outcome: 'retrying', status_code: 500, ...at });
}

async function succeed(webhookId: string): Promise<void> {
  const at = { started_at_ms: NOW_MS + 1, duration_us: 0, webhook_version: await versionOf(webhookId) };
  await record(anAttempt({ webhook_id: webhookId, ...at }));
}

/** As the releaser does it; what Kafka got is put behind `sent`. */
function release(id: string, sent: string[] = [], howMany = releasable): Promise<number> {
  const send = async (records: readonly Buffer[]) => void sent.push(...records.map(String));
  return releaseParked(log.database, id, { howMany, send });
}

const ten = () => 10;

test('a parked delivery says so in the log, and is neither succeeded nor failed', async () => {
  const { parked } = await parkedWebhook(1);
  const [row] = await log.database.knex('deliveries').where({ delivery_id: parked[0]?.delivery_id });
  expect(row).toMatchObject({ status: 'parked', attempts: 0 });
});

test('while its webhook fails, nothing is released', async () => {
  const { id } = await parkedWebhook(3);
  expect(await releasableWebhooks(log.database, releasable)).not.toContain(id);
  expect(await release(id)).toBe(0);
});

test('a failing webhook that nobody has asked for six minutes gets its oldest delivery as a probe, one', async () => {
  const { id } = await parkedWebhook(3);
  await log.database.knex.raw(
    `UPDATE webhook_failures SET last_failed_at = now() - interval '6 minutes' WHERE webhook_id = ?`,
    [id],
  );
  const sent: string[] = [];
  expect(await release(id, sent)).toBe(1);
  expect(await release(id, sent)).toBe(0);
  expect(sent).toEqual(['delivery 0']);
});

test('once it has accepted something, everything is released, oldest first and each once', async () => {
  const { id, names } = await parkedWebhook(25);
  await succeed(id);
  expect(await releasableWebhooks(log.database, releasable)).toContain(id);
  const sent: string[] = [];
  for (let round = 0; round < 3; round += 1) await release(id, sent, ten);
  expect(sent).toEqual(names);
  expect(await release(id, sent, ten)).toBe(0);
});

test('at most 50 a second are released, and no more than 100 without an outcome', async () => {
  const { id } = await parkedWebhook(130);
  await succeed(id);
  expect(await release(id)).toBe(50);
  expect(await release(id)).toBe(0);
  expect(await (await laterRelease(id))()).toBe(50);
  expect(await (await laterRelease(id))()).toBe(0);
});

/** A second has passed since the last release. */
async function laterRelease(id: string): Promise<() => Promise<number>> {
  await log.database.knex.raw(
    `UPDATE parked_webhooks SET released_at = now() - interval '1 second' WHERE webhook_id = ?`,
    [id],
  );
  return () => release(id);
}

test('outcomes make room for more, and the log forgets what had its outcome', async () => {
  const { id, parked } = await parkedWebhook(120);
  await succeed(id);
  await release(id);
  await (await laterRelease(id))();
  const accepted = parked.slice(0, 90).map((note) => ({ ...note, ...ACCEPTED() }));
  await record(...accepted);
  expect(await (await laterRelease(id))()).toBe(20);
  await forgetReleased(log.database);
  const [left] = await log.database.knex('parked_deliveries').where({ webhook_id: id }).count();
  expect(Number(left?.['count'])).toBe(30);
});

const ACCEPTED = () => ({
  attempt_id: randomUUID(),
  kind: 'attempted' as const,
  outcome: 'succeeded' as const,
  started_at_ms: NOW_MS + 1,
  delivery: null,
});

test('the release stops when the webhook fails again', async () => {
  const { id } = await parkedWebhook(20);
  await succeed(id);
  expect(await release(id, [], (webhook, nowMs) => Math.min(5, releasable(webhook, nowMs)))).toBe(5);
  await record(await aFailure(id, NOW_MS + 2));
  expect(await (await laterRelease(id))()).toBe(0);
});

test.each([
  ['got another URL', { url: 'https://other.example/' }],
  ['was switched off', { is_active: false }],
])('what is parked for a webhook that %s is released', async (_, change) => {
  const { id } = await parkedWebhook(3);
  await log.database.knex('webhooks').where({ id }).update(change);
  expect(await release(id)).toBe(3);
});

test('what is parked for a deleted webhook is released, for the workers to end it', async () => {
  const { id } = await parkedWebhook(3);
  await log.database.knex('webhooks').where({ id }).delete();
  expect(await release(id)).toBe(3);
});

test('what Kafka did not take is parked still', async () => {
  const { id, names } = await parkedWebhook(3);
  await succeed(id);
  const refused = releaseParked(log.database, id, {
    howMany: releasable,
    send: () => Promise.reject(new Error('no broker')),
  });
  await expect(refused).rejects.toThrow('no broker');
  const sent: string[] = [];
  await release(id, sent);
  expect(sent).toEqual(names);
});

test('a crash between Kafka and PostgreSQL repeats no delivery that had its attempt meanwhile', async () => {
  const { id, names, parked } = await parkedWebhook(3);
  await succeed(id);
  const before: string[] = [];
  const crash = async (records: readonly Buffer[]) => {
    before.push(...records.map(String));
    throw new Error('crashed');
  };
  await expect(releaseParked(log.database, id, { howMany: ten, send: crash })).rejects.toThrow('crashed');
  expect(before).toEqual(names);
  await record({ ...(parked[1] ?? expect.fail('nothing parked')), ...ACCEPTED() });
  const sent: string[] = [];
  await release(id, sent);
  expect(sent).toEqual(['delivery 0', 'delivery 2']);
});

test('of two releasers one releases a webhook at a time', async () => {
  const { id, names } = await parkedWebhook(3);
  await succeed(id);
  const sent: string[] = [];
  const begun = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const first = releaseParked(log.database, id, {
    howMany: ten,
    send: async (records) => {
      begun.resolve();
      await goOn.promise;
      sent.push(...records.map(String));
    },
  });
  await begun.promise;
  expect(await release(id, sent, ten)).toBe(0);
  goOn.resolve();
  expect(await first).toBe(3);
  expect(sent).toEqual(names);
});

test('the recorder goes on parking while a release waits for Kafka', async () => {
  const { id } = await parkedWebhook(2);
  await succeed(id);
  const sent: string[] = [];
  await releaseParked(log.database, id, {
    howMany: ten,
    send: async (records) => {
      await record(aParked(id, 'one more', NOW_MS));
      sent.push(...records.map(String));
    },
  });
  await release(id, sent, ten);
  expect(sent).toEqual(['delivery 0', 'delivery 1', 'one more']);
});

test('a delivery that two workers parked is sent once', async () => {
  const { id, parked } = await parkedWebhook(1);
  await record({ ...(parked[0] ?? expect.fail('nothing parked')), attempt_id: randomUUID() });
  await succeed(id);
  const sent: string[] = [];
  await release(id, sent);
  expect(sent).toEqual(['delivery 0']);
});

test('large deliveries go in small pages', async () => {
  const id = await insertWebhook(log.database);
  const large = 'x'.repeat(700_000);
  const notes = Array.from({ length: 5 }, (_, index) => aParked(id, `${index} ${large}`, CREATED_MS + index));
  await record(...notes);
  const sent: string[] = [];
  expect(await release(id, sent, ten)).toBe(2);
  await waitUntil(async () => (await release(id, sent, ten)) === 0, { what: 'that nothing is left' });
  expect(sent.map((each) => each.slice(0, 1))).toEqual(['0', '1', '2', '3', '4']);
});
