import type { Knex } from 'knex';

/** Which webhooks do nothing but fail, and what waits in PostgreSQL until one of them accepts something again. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(FAILURES);
  await knex.raw(PARKED);
}

// A row per webhook whose last attempt failed; its next success removes it. version: of the webhook's row that the
// failed attempts used, because a change by the owner starts afresh.
const FAILURES = `
  CREATE TABLE webhook_failures (
    webhook_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    failing_since timestamptz NOT NULL,
    last_failed_at timestamptz NOT NULL
  );`;

// Not by days: what is parked stays whatever its age. record: as it goes to deliveries.ready. A released row stays until
// the log has an outcome, which is how the next releases know how fast the receiver is.
const PARKED = `
  CREATE TABLE parked_deliveries (
    attempt_id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    parked_at timestamptz NOT NULL,
    released_at timestamptz,
    day date NOT NULL,
    attempt integer NOT NULL,
    record bytea NOT NULL
  );
  CREATE INDEX parked_deliveries_waiting ON parked_deliveries (webhook_id, created_at, delivery_id)
    WHERE released_at IS NULL;
  CREATE INDEX parked_deliveries_released ON parked_deliveries (webhook_id, released_at)
    WHERE released_at IS NOT NULL;
  CREATE TABLE parked_webhooks (
    webhook_id uuid PRIMARY KEY,
    released_at timestamptz NOT NULL
  );`;
