import type { Knex } from 'knex';
import type { ParkedWebhook } from '../../domain/parking.ts';
import { answering, type Database, query } from './database.ts';

/** Deliveries of one webhook, encoded as they go to `deliveries.ready`, oldest first. Rejects when they were not sent. */
export type SendParked = (records: readonly Buffer[]) => Promise<void>;

/** How many deliveries of a webhook may be released now. */
export type HowMany = (webhook: ParkedWebhook, nowMs: number) => number;

/** The webhooks with parked deliveries of which some may be released now. */
export async function releasableWebhooks(database: Database, howMany: HowMany): Promise<readonly string[]> {
  const rows = await query<StateRow>(database.knex, `${WITH_ALL_PARKED} ${SELECT_STATE}`);
  return rows.filter((row) => howMany(stateOf(row), Number(row.now_ms)) > 0).map((row) => row.webhook_id);
}

/**
 * Releases parked deliveries of one webhook and returns how many were sent. Of several who try at once one does it. Sent and
 * marked in one transaction: what fails in between is sent again, what has had its attempt meanwhile is not.
 */
export async function releaseParked(
  database: Database,
  webhookId: string,
  { howMany, send }: { howMany: HowMany; send: SendParked },
): Promise<number> {
  return answering(() =>
    database.knex.transaction(async (transaction) => {
      const [lock] = await query<{ taken: boolean }>(transaction, TRY_LOCK, [webhookId]);
      if (lock?.taken !== true) return 0;
      const [state] = await query<StateRow>(transaction, `${WITH_ONE} ${SELECT_STATE}`, [webhookId]);
      const limit = state === undefined ? 0 : howMany(stateOf(state), Number(state.now_ms));
      if (limit === 0) return 0;
      const page = await query<PageRow>(transaction, SELECT_PAGE, [webhookId, limit, MAX_PAGE_BYTES]);
      const records = recordsOf(page);
      if (records.length > 0) await send(records);
      await markReleased(transaction, webhookId, page);
      return records.length;
    }),
  );
}

/** Forgets released deliveries that have had their attempt, or are Kafka's alone since a day. */
export async function forgetReleased(database: Database): Promise<void> {
  await query(database.knex, FORGET_DELIVERIES);
  await query(database.knex, FORGET_WEBHOOKS);
}

interface StateRow {
  readonly webhook_id: string;
  readonly is_active: boolean | null;
  readonly version: string | null;
  readonly failing_version: string | null;
  readonly last_failed_ms: string | null;
  readonly released_ms: string | null;
  readonly undecided: string;
  readonly now_ms: string;
}

interface PageRow {
  readonly attempt_id: string;
  readonly delivery_id: string;
  readonly record: Buffer;
  readonly is_decided: boolean;
}

/** A page goes to one partition in one request, and one record may have as much again. */
const MAX_PAGE_BYTES = 1024 * 1024;

function stateOf(row: StateRow): ParkedWebhook {
  const { is_active: isActive, version, failing_version: failingVersion, released_ms: releasedMs } = row;
  return {
    webhook: isActive === null ? null : { isActive, version: Number(version) },
    failing: failingVersion === null ? null : { version: Number(failingVersion), lastMs: Number(row.last_failed_ms) },
    releasedAtMs: releasedMs === null ? null : Number(releasedMs),
    undecided: Number(row.undecided),
  };
}

/** Each delivery once, although it may have been parked twice by workers that took over from each other. */
function recordsOf(page: readonly PageRow[]): Buffer[] {
  const byDelivery = new Map<string, Buffer>();
  for (const row of page) {
    if (!row.is_decided && !byDelivery.has(row.delivery_id)) byDelivery.set(row.delivery_id, row.record);
  }
  return [...byDelivery.values()];
}

async function markReleased(transaction: Knex.Transaction, webhookId: string, page: readonly PageRow[]): Promise<void> {
  const ids = page.map((row) => row.attempt_id);
  await query(
    transaction,
    'UPDATE parked_deliveries SET released_at = clock_timestamp() WHERE attempt_id = ANY (CAST(? AS uuid[]))',
    [ids],
  );
  await query(
    transaction,
    `INSERT INTO parked_webhooks (webhook_id, released_at) VALUES (?, clock_timestamp())
     ON CONFLICT (webhook_id) DO UPDATE SET released_at = excluded.released_at`,
    [webhookId],
  );
}

/** Names the locks under which a webhook's deliveries are released; any constant of our own. */
const TRY_LOCK = 'SELECT pg_try_advisory_xact_lock(7075714, hashtext(?)) AS taken';

const milliseconds = (time: string) => `floor(extract(epoch FROM ${time}) * 1000)::bigint`;

/** That attempt of the delivery was made, or it ended: by its number, because clocks of workers differ. */
const IS_DECIDED = `EXISTS (
  SELECT FROM deliveries WHERE deliveries.delivery_id = parked.delivery_id AND deliveries.day = parked.day
    AND deliveries.word_is_decisive AND deliveries.word_attempt >= parked.attempt)`;

const WITH_ONE = 'WITH ids (webhook_id) AS (VALUES (CAST(? AS uuid)))';

// From one webhook to the next in the index: there may be millions of deliveries of a few webhooks.
const NEXT_WEBHOOK = (after: string) => `SELECT webhook_id FROM parked_deliveries
  WHERE released_at IS NULL ${after} ORDER BY webhook_id LIMIT 1`;
const WITH_ALL_PARKED = `
  WITH RECURSIVE walk (webhook_id) AS (
    (${NEXT_WEBHOOK('')})
    UNION ALL
    SELECT (${NEXT_WEBHOOK('AND webhook_id > walk.webhook_id')}) FROM walk WHERE walk.webhook_id IS NOT NULL
  ), ids AS (SELECT webhook_id FROM walk WHERE webhook_id IS NOT NULL)`;

const SELECT_STATE = `
  SELECT ids.webhook_id, webhooks.is_active, webhooks.version, failures.version AS failing_version,
    ${milliseconds('failures.last_failed_at')} AS last_failed_ms, ${milliseconds('released.released_at')} AS released_ms,
    ${milliseconds('clock_timestamp()')} AS now_ms,
    (SELECT count(*) FROM parked_deliveries AS parked
     WHERE parked.webhook_id = ids.webhook_id AND parked.released_at > now() - interval '1 minute'
       AND NOT ${IS_DECIDED}) AS undecided
  FROM ids
  LEFT JOIN webhooks ON webhooks.id = ids.webhook_id
  LEFT JOIN webhook_failures AS failures ON failures.webhook_id = ids.webhook_id
  LEFT JOIN parked_webhooks AS released ON released.webhook_id = ids.webhook_id`;

const SELECT_PAGE = `
  SELECT attempt_id, delivery_id, record, ${IS_DECIDED} AS is_decided FROM (
    SELECT *, sum(octet_length(record)) OVER (ORDER BY created_at, delivery_id, attempt DESC, attempt_id) AS bytes
    FROM (
      SELECT * FROM parked_deliveries WHERE webhook_id = ? AND released_at IS NULL
      ORDER BY created_at, delivery_id LIMIT ?
    ) AS oldest
  ) AS parked
  WHERE bytes - octet_length(record) < CAST(? AS bigint)
  ORDER BY created_at, delivery_id, attempt DESC, attempt_id`;

const FORGET_DELIVERIES = `
  DELETE FROM parked_deliveries AS parked WHERE released_at IS NOT NULL
    AND (released_at < now() - interval '1 day' OR ${IS_DECIDED})`;

const FORGET_WEBHOOKS = `
  DELETE FROM parked_webhooks AS released WHERE released_at < now() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM parked_deliveries WHERE parked_deliveries.webhook_id = released.webhook_id)`;
