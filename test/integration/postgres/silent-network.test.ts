import { expect, test } from 'vitest';
import { ChangeFeed } from '../../../src/infrastructure/postgres/change-feed.ts';
import { openDatabase } from '../../../src/infrastructure/postgres/database.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { startSilentProxy } from '../../support/silent-proxy.ts';
import { createEmptyDatabase } from '../../support/test-database.ts';
import { waitUntil } from '../../support/wait-until.ts';

const log = createSilentLogger();

test('a pool leaves connections on which no answer comes any more', async () => {
  await using database = await createEmptyDatabase();
  await using proxy = await startSilentProxy(database.url);
  const behind = openDatabase({ url: proxy.url, log, poolSize: 1, statementTimeoutMs: 100 });
  try {
    await behind.ping();
    proxy.silence();

    await expect(behind.ping()).rejects.toMatchObject({ code: 'unavailable' });

    await behind.ping();
  } finally {
    await behind.close();
  }
});

test('a change feed leaves a connection on which no answer comes any more', async () => {
  await using database = await createEmptyDatabase();
  await using proxy = await startSilentProxy(database.url);
  const feed = new ChangeFeed({ url: proxy.url, log, heartbeatMs: 50 });
  let connections = 0;
  const heard: string[] = [];
  feed.listen('webhook', { changed: (id) => heard.push(id), connected: () => (connections += 1) });
  await feed.start();
  try {
    await waitUntil(() => connections === 1);
    proxy.silence();

    await waitUntil(() => connections === 2);

    await database.knex.raw(`SELECT pg_notify('posthorn_changes', '{"kind":"webhook","id":"w1","version":1}')`);
    await waitUntil(() => heard.includes('w1'));
  } finally {
    await feed.stop();
  }
});

test('a change feed takes no notice of what it does not understand', async () => {
  await using database = await createEmptyDatabase();
  const feed = new ChangeFeed({ url: database.url, log });
  const heard: string[] = [];
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  feed.listen('webhook', { changed: (id) => heard.push(id), connected: resolve });
  await feed.start();
  await connected;
  try {
    for (const payload of [
      '',
      'x',
      'null',
      '[]',
      '5',
      '{"kind":"other","id":"x"}',
      '{"kind":"webhook"}',
      '{"kind":"event_type","id":"x"}',
    ]) {
      await database.knex.raw(`SELECT pg_notify('posthorn_changes', ?)`, [payload]);
    }
    await database.knex.raw(`SELECT pg_notify('posthorn_changes', '{"kind":"webhook","id":"last"}')`);
    await waitUntil(() => heard.length > 0);

    expect(heard).toEqual(['last']);
  } finally {
    await feed.stop();
  }
});
