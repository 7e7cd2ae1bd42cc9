import knexFactory, { type Knex } from 'knex';
import { AppError } from '../../domain/errors.ts';
import type { Logger } from '../telemetry/logger.ts';

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/name` */
  readonly url: string;
  /** Connections of this process at most; all statements are short, so few suffice. */
  readonly poolSize?: number;
  /** How PostgreSQL shows this process in `pg_stat_activity`. */
  readonly applicationName?: string;
  readonly log: Logger;
}

/** The pool of connections. Opens lazily, survives a restart of PostgreSQL, and must be closed. */
export interface Database {
  readonly url: string;
  readonly knex: Knex;
  /** Asks PostgreSQL for an answer; rejects with `unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** A statement that takes longer is lost to us: the server cancels it, and if it cannot, the client gives up. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** Waiting for a free connection; beyond this the caller is told that PostgreSQL is unavailable. */
const ACQUIRE_TIMEOUT_MS = 10_000;

/** Makes the pool; connects at the first statement. */
export function openDatabase(options: DatabaseOptions): Database {
  const knex = knexFactory({
    client: 'pg',
    connection: {
      connectionString: options.url,
      application_name: options.applicationName ?? 'posthorn',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
      keepAlive: true,
    },
    pool: { min: 0, max: options.poolSize ?? 10 },
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    log: knexLog(options.log),
  });
  return {
    url: options.url,
    knex,
    ping: async () => {
      await answering(() => knex.raw('SELECT 1'));
    },
    close: () => knex.destroy(),
  };
}

/** Runs statements; a PostgreSQL that does not answer becomes `unavailable`, everything else passes. */
export async function answering<T>(statements: () => PromiseLike<T>): Promise<T> {
  try {
    return await statements();
  } catch (error) {
    if (isUnavailable(error)) throw new AppError('unavailable', 'PostgreSQL does not answer', { cause: error });
    throw error;
  }
}

/** Runs one statement and returns its rows, whose type the caller vouches for; `?` stands for a binding. */
export async function query<Row>(
  knex: Knex,
  sql: string,
  bindings: readonly Knex.RawBinding[] = [],
): Promise<readonly Row[]> {
  const result = await answering(() => knex.raw<{ rows: Row[] }>(sql, [...bindings]));
  return result.rows;
}

/** SQL for a timestamp as the API gives it: ISO 8601 in UTC with microseconds and `+00:00`. */
export function isoTimestamp(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')`;
}

/** The first row; a statement that must return one and does not is a bug. */
export function onlyRow<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('the statement returned no row');
  return row;
}

/**
 * SQLSTATE classes: 08 connection, 53 resources, 57 operator intervention (restart, start-up, cancelled by timeout), and
 * 55000, with which a database that is closed for maintenance refuses connections.
 */
const UNAVAILABLE_SQLSTATE = /^((08|53|57)[0-9A-Z]{3}|55000)$/;
const UNAVAILABLE_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  'EHOSTUNREACH',
];
/** pg reports these without a code. */
const UNAVAILABLE_MESSAGE =
  /^(Connection terminated|timeout expired|Query read timeout|Client has encountered a connection error)/;

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_CODES.includes(code)) return true;
  return error.name === 'KnexTimeoutError' || UNAVAILABLE_MESSAGE.test(error.message);
}

/** knex writes to the console unless told otherwise. */
function knexLog(log: Logger): Knex.Logger {
  const write = (message: unknown) => log.debug({ message }, 'postgres.driver');
  return { warn: write, error: write, deprecate: write, debug: write };
}
