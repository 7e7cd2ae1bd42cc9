import type { Knex } from 'knex';
import { answering, type Database } from './database.ts';
import { up as configuration } from './migrations/001-configuration.ts';
import { up as deliveryLog } from './migrations/002-delivery-log.ts';
import { up as redriven } from './migrations/003-redriven.ts';
import { up as parking } from './migrations/004-parking.ts';

interface Migration {
  readonly name: string;
  readonly up: (knex: Knex) => Promise<void>;
}

/** In the order in which they run; a name that has run anywhere never changes. */
const MIGRATIONS: readonly Migration[] = [
  { name: '001-configuration', up: configuration },
  { name: '002-delivery-log', up: deliveryLog },
  { name: '003-redriven', up: redriven },
  { name: '004-parking', up: parking },
];

/** Names the lock that lets one process migrate at a time; any constant of our own. */
const MIGRATION_LOCK = 7_075_711;

/** Applies what is pending, all or nothing, and returns the names. Safe to call twice and at once. */
export async function migrate(database: Database): Promise<readonly string[]> {
  return answering(() =>
    database.knex.transaction(async (transaction) => {
      await transaction.raw('SET LOCAL statement_timeout = 0');
      await transaction.raw('SELECT pg_advisory_xact_lock(?)', [MIGRATION_LOCK]);
      const [, applied]: [number, string[]] = await transaction.migrate.latest(configurationOf(MIGRATIONS));
      return applied;
    }),
  );
}

/** The names of the migrations that `migrate` would apply; writes nothing. */
export async function checkMigrations(database: Database): Promise<readonly string[]> {
  const applied = await answering(() => appliedNames(database.knex));
  return MIGRATIONS.map((migration) => migration.name).filter((name) => !applied.has(name));
}

const TABLE = 'schema_migrations';

async function appliedNames(knex: Knex): Promise<ReadonlySet<string>> {
  if (!(await knex.schema.hasTable(TABLE))) return new Set();
  const rows = await knex<{ name: string }>(TABLE).select('name');
  return new Set(rows.map((row) => row.name));
}

function configurationOf(migrations: readonly Migration[]): Knex.MigratorConfig {
  return {
    tableName: TABLE,
    migrationSource: {
      getMigrations: async () => [...migrations],
      getMigrationName: (migration: Migration) => migration.name,
      getMigration: async (migration: Migration) => ({ up: migration.up, down: refuseDown }),
    },
  };
}

/** Ways back are new migrations forward: a `down` would drop what people configured. */
async function refuseDown(): Promise<void> {
  throw new Error('migrations only go forward');
}
