import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ChangeFeed } from '../../../src/infrastructure/postgres/change-feed.ts';
import { type Database, openDatabase } from '../../../src/infrastructure/postgres/database.ts';
import { EventTypeCache } from '../../../src/infrastructure/postgres/event-type-cache.ts';
import { saveEventType } from '../../../src/infrastructure/postgres/event-type-store.ts';
import { migrate } from '../../../src/infrastructure/postgres/migrations.ts';
import { ensureTenant } from '../../../src/infrastructure/postgres/tenant-store.ts';
import { WebhookCache } from '../../../src/infrastructure/postgres/webhook-cache.ts';
import { deleteWebhook, insertWebhook, updateWebhook } from '../../../src/infrastructure/postgres/webhook-store.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../../support/test-database.ts';
import { waitUntil } from '../../support/wait-until.ts';

const TENANT = 'acme';
const FRESH = { timeoutMs: 2_000 };
const log = createSilentLogger();

/** Both caches over one feed, stopped after the test. `listens` false leaves them with the poll alone. */
function cachesOver(database: Database, { pollIntervalMs = 60_000, listens = true } = {}) {
  const feed = new ChangeFeed({ url: database.url, log, applicationName: 'feed under test' });
  const webhooks = new WebhookCache(database, { feed, log, pollIntervalMs });
  const eventTypes = new EventTypeCache(database, { feed, log, pollIntervalMs });
  onTestFinished(async () => {
    await Promise.all([webhooks.stop(), eventTypes.stop()]);
    await feed.stop();
  });
  const start = async () => {
    if (listens) await feed.start();
    await Promise.all([webhooks.start(), eventTypes.start()]);
  };
  return { feed, webhooks, eventTypes, start };
}

async function addWebhook(database: Database, description = ''): Promise<string> {
  const id = randomUUID();
  await ensureTenant(database, TENANT);
  const values = { eventType: 'all', url: 'https://a.example.com/', description, filters: { a: [1] }, settings: {} };
  await insertWebhook(database, { id, tenantId: TENANT, ...values, sealedSecret: `sealed ${id}` }, 1_000_000);
  return id;
}

/** The database of one test, dropped after its caches have stopped. */
async function databaseOfTest(create: () => Promise<TestDatabase> = createTestDatabase): Promise<TestDatabase> {
  const database = await create();
  onTestFinished(() => database[Symbol.asyncDispose]());
  return database;
}

describe('a webhook in memory', () => {
  test('is there from the start, with its secrets newest first', async () => {
    const database = await databaseOfTest();
    const id = await addWebhook(database, 'mine');
    await database.knex.raw('INSERT INTO webhook_secrets (webhook_id, sealed) VALUES (?, ?)', [id, 'rotated']);
    const { webhooks, start } = cachesOver(database);

    await start();

    expect([...webhooks.all()]).toEqual([
      {
        id,
        tenantId: TENANT,
        eventType: 'all',
        url: 'https://a.example.com/',
        description: 'mine',
        filters: { a: [1] },
        isActive: true,
        disabledReason: null,
        version: expect.any(Number),
        createdAt: expect.stringMatching(/\.\d{6}\+00:00$/),
        updatedAt: expect.stringMatching(/\.\d{6}\+00:00$/),
        encryptedSecrets: ['rotated', `sealed ${id}`],
      },
    ]);
  });

  test('follows creation, change, rotation and deletion within 2 s, and each is announced', async () => {
    const database = await databaseOfTest();
    const { webhooks, start } = cachesOver(database);
    const announced: string[] = [];
    webhooks.onChange((ids) => announced.push(...ids));
    await start();

    const id = await addWebhook(database);
    const created = await waitUntil(() => webhooks.get(id), FRESH);
    await updateWebhook(database, TENANT, id, { isActive: false });
    const changed = await waitUntil(() => (webhooks.get(id)?.isActive === false ? webhooks.get(id) : undefined), FRESH);
    await database.knex.raw('INSERT INTO webhook_secrets (webhook_id, sealed) VALUES (?, ?)', [id, 'rotated']);
    await waitUntil(() => webhooks.get(id)?.encryptedSecrets[0] === 'rotated', FRESH);
    const rotatedVersion = webhooks.get(id)?.version ?? 0;
    await deleteWebhook(database, TENANT, id);
    await waitUntil(() => webhooks.get(id) === undefined, FRESH);

    expect(changed.version).toBeGreaterThan(created.version);
    expect(rotatedVersion).toBeGreaterThan(changed.version);
    expect(new Set(announced)).toEqual(new Set([id]));
    expect(announced.length).toBeGreaterThanOrEqual(4);
  });

  test('is found by the poll alone, deletions too', async () => {
    const database = await databaseOfTest();
    const stays = await addWebhook(database);
    const goes = await addWebhook(database);
    const { webhooks, start } = cachesOver(database, { pollIntervalMs: 100, listens: false });
    await start();

    await updateWebhook(database, TENANT, stays, { description: 'changed' });
    await deleteWebhook(database, TENANT, goes);

    await waitUntil(() => webhooks.get(stays)?.description === 'changed' && webhooks.get(goes) === undefined, FRESH);
  });

  test('is fresh again at once when the listening connection was killed and came back', async () => {
    const database = await databaseOfTest();
    const { webhooks, start } = cachesOver(database);
    await start();
    await waitUntil(() => listeners(database));

    await database.knex.raw(TERMINATE_FEED);
    const id = await addWebhook(database);

    await waitUntil(() => webhooks.get(id), FRESH);
    await waitUntil(() => listeners(database));
  });

  test('can be looked up in the database before it is heard of', async () => {
    const database = await databaseOfTest();
    const { webhooks, start } = cachesOver(database, { listens: false });
    await start();
    const id = await addWebhook(database);

    expect(webhooks.get(id)).toBeUndefined();
    expect(await webhooks.lookUp(id)).toMatchObject({ id, encryptedSecrets: [`sealed ${id}`] });
    expect(await webhooks.lookUp(randomUUID())).toBeNull();
    await waitUntil(() => webhooks.get(id), FRESH);
  });

  test('a burst of thousands of changes arrives whole', async () => {
    const database = await databaseOfTest();
    const { webhooks, start } = cachesOver(database);
    await start();
    await ensureTenant(database, TENANT);

    await database.knex.raw(
      `INSERT INTO webhooks (id, tenant_id, event_type, url)
       SELECT gen_random_uuid(), ?, 'all', 'https://a.example.com/' FROM generate_series(1, 3000)`,
      [TENANT],
    );

    await waitUntil(() => [...webhooks.all()].length === 3_000, FRESH);
  });
});

describe('without PostgreSQL', () => {
  test('the caches wait for it, say so, and start when it comes', async () => {
    const database = await databaseOfTest(createEmptyDatabase);
    const { webhooks, eventTypes, start } = cachesOver(database);

    const started = start();
    await waitUntil(() => webhooks.waitsFor() !== null && !webhooks.isLoaded);
    expect([webhooks.waitsFor(), eventTypes.waitsFor()]).toEqual(['PostgreSQL', 'PostgreSQL']);
    await migrate(database);
    await started;

    expect([webhooks.waitsFor(), eventTypes.waitsFor()]).toEqual([null, null]);
  });

  test('what is in memory stays usable, and a look-up says that it cannot tell', async () => {
    const database = await databaseOfTest();
    const id = await addWebhook(database);
    const gateway = openDatabase({ url: database.url, log, poolSize: 1 });
    onTestFinished(() => gateway.close());
    const { webhooks, start } = cachesOver(gateway, { pollIntervalMs: 50, listens: false });
    await start();

    await allowConnections(database, false);
    await waitUntil(() => webhooks.waitsFor() === 'PostgreSQL');
    expect(webhooks.get(id)?.id).toBe(id);
    await expect(webhooks.lookUp(id)).rejects.toMatchObject({ code: 'unavailable' });

    await allowConnections(database, true);
    await waitUntil(() => webhooks.waitsFor() === null);
  });

  test('a cache that is stopped while it waits ends its start', async () => {
    const database = await databaseOfTest(createEmptyDatabase);
    const { webhooks } = cachesOver(database);

    const started = webhooks.start();
    await webhooks.stop();
    await webhooks.stop();

    await expect(started).rejects.toThrow('stopped before');
  });
});

describe('the catalogue in memory', () => {
  const opened = {
    type: 'case.opened',
    recordName: 'posthorn.events.case.Opened',
    description: 'New case',
    avroSchema: { type: 'record' },
    jsonSchema: {},
    sample: { b: 1, a: 2 },
  };

  test('follows what is registered within 2 s; saving the same again changes nothing', async () => {
    const database = await databaseOfTest();
    const { eventTypes, start } = cachesOver(database);
    await start();

    await saveEventType(database, opened);
    const first = await waitUntil(() => eventTypes.byType('case.opened'), FRESH);
    await saveEventType(database, opened);
    await saveEventType(database, { ...opened, type: 'case.closed', recordName: 'posthorn.events.case.Closed' });
    await waitUntil(() => eventTypes.byRecordName('posthorn.events.case.Closed'), FRESH);

    expect(first).toMatchObject(opened);
    expect(eventTypes.byType('case.opened')).toBe(first);
    expect(eventTypes.all().map((eventType) => eventType.type)).toEqual(['case.closed', 'case.opened']);
  });
});

const LISTENING = `FROM pg_stat_activity WHERE application_name = 'feed under test' AND datname = current_database()
  AND query = 'LISTEN posthorn_changes' AND state = 'idle'`;
const TERMINATE_FEED = `SELECT pg_terminate_backend(pid) ${LISTENING}`;

async function listeners(database: Database): Promise<boolean> {
  const { rows } = await database.knex.raw(`SELECT pid ${LISTENING}`);
  return rows.length === 1;
}

/** Shuts a database for everybody, as a restart of PostgreSQL does, and opens it again. */
async function allowConnections(database: TestDatabase, allowed: boolean): Promise<void> {
  const name = new URL(database.url).pathname.slice(1);
  const administrator = openDatabase({
    url: Object.assign(new URL(database.url), { pathname: '/postgres' }).href,
    log,
    poolSize: 1,
  });
  try {
    await administrator.knex.raw(`ALTER DATABASE ${name} ALLOW_CONNECTIONS ${allowed}`);
    if (!allowed)
      await administrator.knex.raw('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ?', [name]);
  } finally {
    await administrator.close();
  }
}
