import { Pool, type PoolClient } from 'pg';
import { lastWords } from '../../domain/delivery-log.ts';
import { DISABLE_AFTER_MS } from '../../domain/failure-streak.ts';
import { dayOf, dayWindow } from '../../domain/log-days.ts';
import type { LogBatch, WriteBatchResult } from '../../domain/log-entries.ts';
import type { DisabledWebhook } from '../../domain/webhook.ts';
import type { Logger } from '../telemetry/logger.ts';
import { appendAttempts, withoutKnownAttempts } from './attempt-log.ts';
import { answering } from './database.ts';
import { DAILY_TABLES, type DailyTable, dropOldDays, ensureDay } from './day-partitions.ts';
import { prepareStaging, recordDeliveries } from './delivery-log.ts';
import { archiveEvents, storeDeadLetters } from './event-archive.ts';
import { keepParked } from './parked-log.ts';
import { loadOffset, moveOffsets } from './recorder-offsets.ts';
import { recordFailures } from './webhook-failures.ts';
import { applyWebhookStates } from './webhook-state.ts';

export interface RecorderStoreOptions {
  /** `postgres://user:password@host:port/name` */
  readonly url: string;
  /** Days that the log keeps. */
  readonly retentionDays: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
  /** Webhooks were switched off by what the batch says, once that is in the log. */
  readonly onDisabled?: (webhooks: readonly DisabledWebhook[]) => void;
  /** For how long a webhook may do nothing but fail before it is switched off; only tests say so. */
  readonly disableAfterMs?: number;
}

/** The recorder's side of PostgreSQL, on connections of its own (COPY needs the bare driver). Must be closed. */
export interface RecorderStore {
  /** First offset that the log does not have; null = it has none of this partition. Rejects with `unavailable`. */
  loadOffset(topic: string, partition: number): Promise<number | null>;
  /** Writes all of the batch in one transaction, or nothing. Rejects with `unavailable` or what PostgreSQL says. */
  writeBatch(batch: LogBatch): Promise<WriteBatchResult>;
  /** Makes the days to come and drops those past retention; returns the names of dropped partitions. */
  tidyDays(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 30_000;
const DAYS_PAUSE_MS = 30_000;
/** One connection for attempts, one for the archive, one for retention. */
const CONNECTIONS = 3;
/** An attempt id that the log, or this very batch, has already. */
const UNIQUE_VIOLATION = '23505';
/** SQLSTATE classes: 22 data exception, 54 program limit exceeded. Asking again gives the same answer. */
const REFUSED_CLASSES = /^(22|54)/;

export function openRecorderStore(options: RecorderStoreOptions): RecorderStore {
  const pool = new Pool({
    connectionString: options.url,
    application_name: 'posthorn-recorder',
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  const onLost = (error: Error) => options.log.debug({ error: error.message }, 'recorder.connection_lost');
  pool.on('error', onLost);
  // The pool listens to idle connections only; one that breaks while it is lent out would end the process.
  pool.on('connect', (client) => client.on('error', onLost));
  return new PooledStore(pool, options);
}

class PooledStore implements RecorderStore {
  readonly #pool: Pool;
  readonly #options: RecorderStoreOptions;
  /** `<table> <day>` of the partitions known to exist; one that goes meanwhile sends its rows to the other days. */
  readonly #days = new Set<string>();
  /** Until when not to try again to make a partition whose table was being read, epoch milliseconds. */
  #noDaysBeforeMs = 0;

  constructor(pool: Pool, options: RecorderStoreOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  loadOffset(topic: string, partition: number): Promise<number | null> {
    return this.#connected((client) => loadOffset(client, topic, partition));
  }

  writeBatch(batch: LogBatch): Promise<WriteBatchResult> {
    return this.#connected(async (client) => {
      await prepareStaging(client);
      await this.#ensureDays(client, batch);
      const result = await this.#write(client, batch, (attempts) => attempts);
      if (result.kind !== 'repeat') return result;
      const second = await this.#write(client, batch, (attempts) => withoutKnownAttempts(client, attempts));
      return second.kind === 'repeat' ? { kind: 'refused', message: 'an attempt repeats itself' } : second;
    });
  }

  async #write(client: PoolClient, batch: LogBatch, choose: ChooseAttempts): Promise<WriteBatchResult | Repeat> {
    const { disableAfterMs = DISABLE_AFTER_MS, onDisabled } = this.#options;
    const result = await writeTogether(client, batch, { choose, disableAfterMs });
    if (result.kind !== 'written') return result;
    if (result.disabled.length > 0) onDisabled?.(result.disabled);
    return { kind: 'written' };
  }

  tidyDays(): Promise<readonly string[]> {
    return this.#connected(async (client) => {
      const window = dayWindow(this.#options.now(), this.#options.retentionDays);
      for (const table of DAILY_TABLES) {
        for (let day = dayOf(this.#options.now()); day <= window.last; day += 1)
          await this.#ensureDay(client, table, day);
      }
      return dropOldDays(client, window);
    });
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #ensureDays(client: PoolClient, batch: LogBatch): Promise<void> {
    const attemptDays = new Set(batch.attempts.map((attempt) => dayOf(attempt.delivery_created_at_ms)));
    const days: Record<DailyTable, ReadonlySet<number>> = {
      events: new Set(batch.events.map((event) => dayOf(event.timestampMs))),
      deliveries: attemptDays,
      attempts: attemptDays,
      dead_letters: new Set(batch.deadLetters.map((letter) => dayOf(letter.timestampMs))),
    };
    for (const table of DAILY_TABLES) {
      for (const day of days[table]) await this.#ensureDay(client, table, day);
    }
  }

  async #ensureDay(client: PoolClient, table: DailyTable, day: number): Promise<void> {
    const key = `${table} ${day}`;
    const nowMs = this.#options.now();
    if (this.#days.has(key) || nowMs < this.#noDaysBeforeMs) return;
    const window = dayWindow(nowMs, this.#options.retentionDays);
    if (day < window.first || day > window.last) return;
    if (await ensureDay(client, table, day)) this.#days.add(key);
    else this.#noDaysBeforeMs = nowMs + DAYS_PAUSE_MS;
  }

  /** Lends a connection; one that failed is thrown away, its transaction with it. */
  #connected<T>(use: (client: PoolClient) => Promise<T>): Promise<T> {
    return answering(async () => {
      const client = await this.#pool.connect();
      try {
        const result = await use(client);
        client.release();
        return result;
      } catch (error) {
        client.release(true);
        throw error;
      }
    });
  }
}

type Repeat = { readonly kind: 'repeat' };
type Written = { readonly kind: 'written'; readonly disabled: readonly DisabledWebhook[] };
type ChooseAttempts = (attempts: LogBatch['attempts']) => LogBatch['attempts'] | Promise<LogBatch['attempts']>;

async function writeTogether(
  client: PoolClient,
  batch: LogBatch,
  { choose, disableAfterMs }: { choose: ChooseAttempts; disableAfterMs: number },
): Promise<Exclude<WriteBatchResult, { kind: 'written' }> | Written | Repeat> {
  await client.query('BEGIN');
  try {
    if (!(await moveOffsets(client, batch.positions))) return await rolledBack(client, { kind: 'moved' } as const);
    const attempts = await choose(batch.attempts);
    await appendAttempts(client, attempts);
    await keepParked(client, attempts);
    await archiveEvents(client, batch.events);
    await storeDeadLetters(client, batch.deadLetters);
    await recordDeliveries(client, lastWords(batch.attempts));
    const reported = await applyWebhookStates(client, batch.attempts);
    const failing = await recordFailures(client, batch.attempts, disableAfterMs);
    await client.query('COMMIT');
    return { kind: 'written', disabled: [...reported, ...failing] };
  } catch (error) {
    const code = sqlState(error);
    if (code === UNIQUE_VIOLATION) return rolledBack(client, { kind: 'repeat' } as const);
    if (REFUSED_CLASSES.test(code)) return rolledBack(client, { kind: 'refused', message: String(error) } as const);
    throw error;
  }
}

async function rolledBack<T>(client: PoolClient, result: T): Promise<T> {
  await client.query('ROLLBACK');
  return result;
}

function sqlState(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
