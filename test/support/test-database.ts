import { type Database, openDatabase } from '../../src/infrastructure/postgres/database.ts';
import { migrate } from '../../src/infrastructure/postgres/migrations.ts';
import { createSilentLogger } from '../../src/infrastructure/telemetry/logger.ts';
import { testServers } from './servers.ts';
import { unique } from './unique.ts';

export interface TestDatabase extends Database, AsyncDisposable {}

/** A database of its own, empty; dropped when disposed of. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const { databaseUrl } = testServers();
  const name = unique('posthorn_test');
  await asAdministrator(databaseUrl, `CREATE DATABASE ${name}`);
  const url = Object.assign(new URL(databaseUrl), { pathname: `/${name}` }).href;
  const database = openDatabase({ url, log: createSilentLogger(), applicationName: name });
  return {
    ...database,
    [Symbol.asyncDispose]: async () => {
      await database.close();
      await asAdministrator(databaseUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

/** A database of its own with all tables; dropped when disposed of. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  await migrate(database);
  return database;
}

async function asAdministrator(url: string, statement: string): Promise<void> {
  const administrator = openDatabase({ url, log: createSilentLogger(), poolSize: 1 });
  try {
    await administrator.knex.raw(statement);
  } finally {
    await administrator.close();
  }
}
