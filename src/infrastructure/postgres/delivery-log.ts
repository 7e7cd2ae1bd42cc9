import type { ClientBase } from 'pg';
import type { DeliveryProgress } from '../../domain/delivery-log.ts';
import { dayName, dayOf, storableMs } from '../../domain/log-days.ts';
import type { CopyColumn } from './copy-encoder.ts';
import { copyRows } from './copy-rows.ts';
import { ADD_CHANGED_TO_STATS, addToStats, STATS_CHANGES } from './delivery-stats.ts';

/** Names the lock under which replays change what counts; any constant of our own. */
const REPLAY_LOCK = 7_075_713;

/**
 * Gives deliveries their last word so far and their webhooks the change in `stats`, inside the caller's transaction,
 * after `prepareStaging`.
 *
 * What a delivery counts follows from its row alone (attempts, status, superseded), and the row only ever moves forward
 * to a later word, so any order and any repeat of the records ends in the same totals. A webhook's totals are one update
 * per batch: the sum over the rows that changed, new minus old.
 *
 * Most deliveries are new, and COPY takes them for less than INSERT … ON CONFLICT. If another recorder adds one of them
 * at the same moment, SQLSTATE 23505 ends the transaction, and the batch is written again.
 */
export async function recordDeliveries(client: ClientBase, deliveries: readonly DeliveryProgress[]): Promise<void> {
  if (deliveries.length === 0) return;
  const bringsReplays = deliveries.some((delivery) => delivery.word.replay_id !== null);
  if (await lockReplays(client, bringsReplays)) return mergeDeliveries(client, deliveries, true);
  const known = await knownDeliveries(client, deliveries);
  const isKnown = (delivery: DeliveryProgress) => known.has(delivery.word.delivery_id);
  await addDeliveries(client, known.size === 0 ? deliveries : deliveries.filter((delivery) => !isKnown(delivery)));
  await mergeDeliveries(client, known.size === 0 ? [] : deliveries.filter(isKnown), false);
}

async function addDeliveries(client: ClientBase, deliveries: readonly DeliveryProgress[]): Promise<void> {
  await copyRows(client, 'deliveries', COLUMNS, deliveries);
  await addToStats(client, deliveries);
}

async function mergeDeliveries(
  client: ClientBase,
  deliveries: readonly DeliveryProgress[],
  areReplaysAbout: boolean,
): Promise<void> {
  if (deliveries.length === 0) return;
  await copyRows(client, 'pg_temp.recorder_batch', COLUMNS, deliveries);
  if (areReplaysAbout) await client.query(REMEMBER_REPLAYS);
  await client.query({ name: 'recorder-deliveries', text: UPSERT });
  if (areReplaysAbout) await client.query({ name: 'recorder-replays', text: SUPERSEDE });
}

/** The ids of those that have a row, asked day by day so that PostgreSQL looks into one partition only. */
async function knownDeliveries(client: ClientBase, deliveries: readonly DeliveryProgress[]): Promise<Set<string>> {
  const known = new Set<string>();
  const byDay = Map.groupBy(deliveries, ({ word }) => dayName(dayOf(word.delivery_created_at_ms)));
  for (const [day, ofDay] of byDay) {
    const { rows } = await client.query<{ delivery_id: string }>({
      name: 'recorder-known-deliveries',
      text: 'SELECT delivery_id FROM deliveries WHERE day = $1::date AND delivery_id = ANY ($2::uuid[])',
      values: [day, ofDay.map(({ word }) => word.delivery_id)],
    });
    for (const row of rows) known.add(row.delivery_id);
  }
  return known;
}

/**
 * A batch with replays works alone, the others side by side: which delivery of an event counts is decided by looking at
 * all of them. Returns whether replays are about: in this batch or in the log.
 */
async function lockReplays(client: ClientBase, bringsReplays: boolean): Promise<boolean> {
  const lock = bringsReplays ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
  await client.query(`SELECT ${lock}(${REPLAY_LOCK})`);
  const { rows } = await client.query<{ known: boolean }>('SELECT EXISTS (SELECT FROM replayed_events) AS known');
  return bringsReplays || rows[0]?.known === true;
}

/** Makes the connection's own table where batches wait for SQL; it empties itself with each transaction. Outside of one. */
export async function prepareStaging(client: ClientBase): Promise<void> {
  if (prepared.has(client)) return;
  await client.query(STAGING);
  prepared.add(client);
}

const prepared = new WeakSet<ClientBase>();

const COLUMNS: readonly CopyColumn<DeliveryProgress>[] = [
  { name: 'delivery_id', type: 'uuid', of: ({ word }) => word.delivery_id },
  { name: 'webhook_id', type: 'uuid', of: ({ word }) => word.webhook_id },
  { name: 'created_at', type: 'time', of: ({ word }) => storableMs(word.delivery_created_at_ms) },
  { name: 'last_attempt_at', type: 'time', of: (row) => storableOrNull(row.lastAttemptAtMs) },
  { name: 'next_attempt_at', type: 'time', of: ({ word }) => storableOrNull(word.next_attempt_at_ms) },
  { name: 'word_at', type: 'time', of: ({ place }) => storableMs(place.atMs) },
  { name: 'word_id', type: 'uuid', of: ({ place }) => place.id },
  { name: 'day', type: 'day', of: ({ word }) => dayOf(word.delivery_created_at_ms) },
  { name: 'attempts', type: 'integer', of: (row) => row.attempts },
  { name: 'word_attempt', type: 'integer', of: ({ place }) => place.attempt },
  { name: 'last_status_code', type: 'integer', of: ({ word }) => word.status_code },
  { name: 'word_is_decisive', type: 'boolean', of: ({ place }) => place.isDecisive },
  { name: 'status', type: 'text', of: (row) => row.status },
  { name: 'tenant_id', type: 'text', of: ({ word }) => word.tenant_id },
  { name: 'event_id', type: 'text', of: ({ word }) => word.event_id },
  { name: 'event_type', type: 'text', of: ({ word }) => word.event_type },
  { name: 'subject', type: 'text', of: ({ word }) => word.subject },
  { name: 'replay_id', type: 'text', of: ({ word }) => word.replay_id },
  { name: 'last_failure_code', type: 'text', of: ({ word }) => word.failure_code },
];

const NAMES = COLUMNS.map((column) => column.name).join(', ');

const STAGING = `
  CREATE TEMPORARY TABLE IF NOT EXISTS recorder_batch ON COMMIT DELETE ROWS AS SELECT ${NAMES} FROM deliveries WITH NO DATA`;

// Row comparison goes field by field and is the order of `comparePlaces` in the domain.
const PLACE = ['word_attempt', 'word_is_decisive', 'word_at', 'word_id'];
const placeOf = (row: string) => `(${PLACE.map((name) => `${row}.${name}`).join(', ')})`;
const IS_LATER = `${placeOf('excluded')} > ${placeOf('known')}`;
const OF_LAST_WORD = [...PLACE, 'status', 'next_attempt_at', 'last_status_code', 'last_failure_code'];
const TAKE_LAST_WORD = OF_LAST_WORD.map(
  (name) => `${name} = CASE WHEN ${IS_LATER} THEN excluded.${name} ELSE known.${name} END`,
);

const UPSERT = `
  WITH changed AS (
    INSERT INTO deliveries AS known (${NAMES}) SELECT ${NAMES} FROM pg_temp.recorder_batch
    ON CONFLICT (delivery_id, day) DO UPDATE SET
      ${TAKE_LAST_WORD.join(',\n      ')},
      attempts = GREATEST(known.attempts, excluded.attempts),
      last_attempt_at = GREATEST(known.last_attempt_at, excluded.last_attempt_at)
    WHERE ${IS_LATER} OR excluded.attempts > known.attempts
      OR excluded.last_attempt_at > COALESCE(known.last_attempt_at, '-infinity')
    RETURNING ${STATS_CHANGES}
  )
  ${ADD_CHANGED_TO_STATS}`;

const REMEMBER_REPLAYS = `
  INSERT INTO replayed_events (webhook_id, event_id)
  SELECT DISTINCT webhook_id, event_id FROM pg_temp.recorder_batch WHERE replay_id IS NOT NULL
  ON CONFLICT (webhook_id, event_id) DO UPDATE SET recorded_at = excluded.recorded_at`;

// Of the deliveries of one event to one webhook that have been attempted, one counts: a replay before the original, the
// one attempted last among replays.
const SUPERSEDE = `
  WITH ranked AS (
    SELECT siblings.delivery_id, siblings.day, row_number() OVER (
      PARTITION BY siblings.webhook_id, siblings.event_id
      ORDER BY siblings.attempts > 0 DESC, siblings.replay_id IS NOT NULL DESC,
        siblings.last_attempt_at DESC, siblings.delivery_id DESC) > 1 AS superseded
    FROM (SELECT DISTINCT webhook_id, event_id FROM pg_temp.recorder_batch) AS touched
    JOIN replayed_events USING (webhook_id, event_id)
    JOIN deliveries AS siblings USING (webhook_id, event_id)
  ), changed AS (
    UPDATE deliveries SET superseded = ranked.superseded FROM ranked
    WHERE deliveries.delivery_id = ranked.delivery_id AND deliveries.day = ranked.day
      AND deliveries.superseded <> ranked.superseded
    RETURNING ${STATS_CHANGES}
  )
  ${ADD_CHANGED_TO_STATS}`;

function storableOrNull(timeMs: number | null): number | null {
  return timeMs === null ? null : storableMs(timeMs);
}
