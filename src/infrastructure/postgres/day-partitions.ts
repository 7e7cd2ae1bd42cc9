import type { ClientBase } from 'pg';
import { type DayWindow, dayName, type LogDay } from '../../domain/log-days.ts';

/** The tables that have one partition per day and one, `…_other_days`, for days outside the window. */
export const DAILY_TABLES = ['events', 'deliveries', 'attempts', 'dead_letters'] as const;
export type DailyTable = (typeof DAILY_TABLES)[number];

/** Names the lock under which days come and go; any constant of our own. */
const PARTITION_LOCK = 7_075_712;
/** Making and dropping days wait for readers, and everybody else waits behind them: give up soon, there is another time. */
const LOCK_TIMEOUT = '1s';

/**
 * Makes the partition of a day unless it is there. False when somebody reads the table for long: then the day's rows go to
 * `…_other_days` and move when the partition is made. Safe to call from several processes at once.
 */
export function ensureDay(client: ClientBase, table: DailyTable, day: LogDay): Promise<boolean> {
  const name = partitionName(table, day);
  return changePartitions(client, async () => {
    const { rows } = await client.query<{ known: boolean }>('SELECT to_regclass($1) IS NOT NULL AS known', [name]);
    if (rows[0]?.known !== true) await client.query(createSql(table, name, day));
  });
}

/**
 * Drops the partitions of days before the window, and from `…_other_days` the rows that were recorded before it. Returns the names of
 * what was dropped. A partition that is being read for long stays for the next round.
 */
export async function dropOldDays(client: ClientBase, window: DayWindow): Promise<string[]> {
  const dropped: string[] = [];
  for (const table of DAILY_TABLES) {
    const oldest = partitionName(table, window.first);
    for (const name of await partitionsOf(client, table)) {
      if (name < oldest && (await dropPartition(client, name))) dropped.push(name);
    }
    await client.query(`DELETE FROM ${table}_other_days WHERE recorded_at < $1::date`, [dayName(window.first)]);
  }
  await client.query('DELETE FROM replayed_events WHERE recorded_at < $1::date', [dayName(window.first)]);
  return dropped;
}

/** The partitions of single days, oldest first: their names sort as their days do. */
async function partitionsOf(client: ClientBase, table: DailyTable): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
     WHERE inhparent = $1::regclass AND relname ~ '_\\d{4}_\\d\\d_\\d\\d$' ORDER BY relname`,
    [table],
  );
  return rows.map((row) => row.name);
}

function dropPartition(client: ClientBase, name: string): Promise<boolean> {
  return changePartitions(client, async () => {
    await client.query(`DROP TABLE IF EXISTS ${name}`);
  });
}

const LOCK_NOT_AVAILABLE = '55P03';

/** One change of partitions at a time, over all processes. False when a lock could not be had in time. */
async function changePartitions(client: ClientBase, statements: () => Promise<void>): Promise<boolean> {
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [PARTITION_LOCK]);
    await statements();
    await client.query('COMMIT');
    return true;
  } catch (error) {
    await client.query('ROLLBACK');
    if (error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE) return false;
    throw error;
  }
}

function partitionName(table: DailyTable, day: LogDay): string {
  return `${table}_${dayName(day).replaceAll('-', '_')}`;
}

// Rows of the day that came while it was outside the window move along, or PostgreSQL refuses the partition. The names
// are made of our own table names and a date.
function createSql(table: DailyTable, name: string, day: LogDay): string {
  return `
    LOCK TABLE ${table}_other_days IN ACCESS EXCLUSIVE MODE;
    CREATE TABLE ${name} (LIKE ${table} INCLUDING ALL);
    WITH moved AS (DELETE FROM ${table}_other_days WHERE day = '${dayName(day)}' RETURNING *)
      INSERT INTO ${name} SELECT * FROM moved;
    ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${dayName(day)}') TO ('${dayName(day + 1)}');`;
}
