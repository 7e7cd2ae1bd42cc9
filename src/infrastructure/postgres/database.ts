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
  /** A statement that takes longer is lost to us: the server cancels it, and if it cannot, the client gives up. */
  readonly statementTimeoutMs?: number;
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
const STATEMENT_TIMEOUT_MS = 30_000;
/** What the server's own cancelling may take on the way before the client stops listening. */
const ANSWER_GRACE_MS = 2_000;
/** Waiting for a free connection; beyond this the caller is told that PostgreSQL is unavailable. */
const ACQUIRE_TIMEOUT_MS = 10_000;

/** Makes the pool; connects at the first statement. */
export function openDatabase(options: DatabaseOptions): Database {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS;
  const connections = new Map<string, PooledConnection>();
  const knex = knexFactory({
    client: 'pg',
    connection: {
      connectionString: options.url,
      application_name: options.applicationName ?? 'posthorn',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + ANSWER_GRACE_MS,
      keepAlive: true,
    },
    pool: { min: 0, max: options.poolSize ?? 10, afterCreate: keepTrack(connections) },
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MS,
    // Messages of errors end up in logs: with the statement, but never with the values in it.
    compileSqlOnError: false,
    log: knexLog(options.log),
  });
  dropSilentConnections(knex, connections);
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
/** pg reports these without a code; knex puts the statement and ` - ` before them. */
const UNAVAILABLE_MESSAGE =
  /(?:^| - )(?:Connection terminated|timeout expired$|Query read timeout$|Client has encountered a connection error)/;
const NO_ANSWER_MESSAGE = /(?:^| - )Query read timeout$/;

function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_CODES.includes(code)) return true;
  return error.name === 'KnexTimeoutError' || UNAVAILABLE_MESSAGE.test(error.message);
}

/** A connection as knex keeps it in its pool: a client of pg with a name. */
interface PooledConnection {
  readonly __knexUid: string;
  /** Set, it keeps knex from handing the connection out again. */
  __knex__disposed?: unknown;
  end(): Promise<void>;
  once(event: 'end', listener: () => void): void;
}

function keepTrack(connections: Map<string, PooledConnection>) {
  return (connection: PooledConnection, done: (error: Error | null) => void) => {
    connections.set(connection.__knexUid, connection);
    connection.once('end', () => connections.delete(connection.__knexUid));
    done(null);
  };
}

/**
 * pg gives up on a statement without an answer but keeps its connection, and knex would queue every later statement
 * behind the lost one. Such a connection leads nowhere (a network that drops packets tells nobody), so it is ended.
 */
function dropSilentConnections(knex: Knex, connections: ReadonlyMap<string, PooledConnection>): void {
  knex.on('query-error', (error: Error, { __knexUid }: { readonly __knexUid: string }) => {
    const connection = connections.get(__knexUid);
    if (connection === undefined || !NO_ANSWER_MESSAGE.test(error.message)) return;
    connection.__knex__disposed = error;
    // With a statement still open this cuts the socket; how the cut ended is of no interest.
    connection.end().catch(() => undefined);
  });
}

/** knex writes to the console unless told otherwise. */
function knexLog(log: Logger): Knex.Logger {
  const write = (message: unknown) => log.debug({ message }, 'postgres.driver');
  return { warn: write, error: write, deprecate: write, debug: write };
}
