import type { Knex } from 'knex';

/**
 * What the recorder writes: the archive of events, deliveries with their last word, attempts and dead letters, in one
 * partition per day. The day is the one that the record names, never today, so that every repeat meets its own row. Days
 * too far away for a partition of their own share `…_other_days`. Indexes are few, because each of them costs every
 * delivery; event ids are asked for equality only, and a hash costs half of a tree there.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(EVENTS);
  await knex.raw(DELIVERIES);
  await knex.raw(ATTEMPTS);
  await knex.raw(DEAD_LETTERS);
  await knex.raw(POSITIONS);
}

// One row per record on Kafka, so a producer's repeat is a second row. received_at is the time of the record; rows lie
// nearly in its order, which is all that a BRIN index needs.
const EVENTS = `
  CREATE TABLE events (
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    record_offset bigint NOT NULL,
    partition integer NOT NULL,
    day date NOT NULL,
    topic text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    source text NOT NULL,
    time text NOT NULL,
    subject text,
    traceparent text,
    body bytea NOT NULL
  ) PARTITION BY RANGE (day);
  CREATE INDEX events_by_id ON events USING hash (event_id);
  CREATE INDEX events_by_time ON events USING brin (received_at);
  CREATE TABLE events_other_days PARTITION OF events DEFAULT;`;

// word_*: where the last word stands among the records of its delivery. superseded: a replay of the same event for the same webhook
// counts in its stead. No index holds a column that changes, so that updates stay on their page.
const DELIVERIES = `
  CREATE TABLE deliveries (
    delivery_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    word_at timestamptz NOT NULL,
    word_id uuid NOT NULL,
    day date NOT NULL,
    attempts integer NOT NULL,
    word_attempt integer NOT NULL,
    last_status_code integer,
    word_is_decisive boolean NOT NULL,
    superseded boolean NOT NULL DEFAULT false,
    status text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    subject text,
    replay_id text,
    last_failure_code text,
    PRIMARY KEY (delivery_id, day)
  ) PARTITION BY RANGE (day);
  CREATE INDEX deliveries_newest_of_webhook ON deliveries (webhook_id, created_at DESC, delivery_id DESC);
  CREATE INDEX deliveries_by_event ON deliveries USING hash (event_id);
  CREATE TABLE deliveries_other_days PARTITION OF deliveries DEFAULT;
  CREATE TABLE replayed_events (
    webhook_id uuid NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (webhook_id, event_id)
  );`;

// The key begins with the delivery, so that it also finds the attempts of one.
const ATTEMPTS = `
  CREATE TABLE attempts (
    delivery_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    delivery_created_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz,
    duration_us bigint NOT NULL,
    dns_us bigint,
    connect_us bigint,
    tls_us bigint,
    first_byte_us bigint,
    webhook_version bigint NOT NULL,
    day date NOT NULL,
    attempt integer NOT NULL,
    status_code integer,
    kind text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    subject text,
    replay_id text,
    failure_code text,
    failure_message text,
    webhook_state text,
    request_url text,
    request_headers text,
    response_headers text,
    response_body bytea,
    PRIMARY KEY (delivery_id, attempt_id, day)
  ) PARTITION BY RANGE (day);
  CREATE TABLE attempts_other_days PARTITION OF attempts DEFAULT;`;

// headers: a JSON object, header name to an array of base64 values: they may hold any bytes.
const DEAD_LETTERS = `
  CREATE TABLE dead_letters (
    day date NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL,
    error text,
    source text,
    failed_at text,
    tenant_id text,
    event_id text,
    event_type text,
    webhook_id text,
    delivery_id text,
    last_status text,
    key bytea,
    value bytea,
    headers text NOT NULL
  ) PARTITION BY RANGE (day);
  CREATE INDEX dead_letters_newest ON dead_letters (topic, received_at DESC, partition, record_offset);
  CREATE TABLE dead_letters_other_days PARTITION OF dead_letters DEFAULT;`;

// Changed in the same transaction as the rows above: this, and not the group's offset, says what has been recorded.
const POSITIONS = `
  CREATE TABLE recorder_offsets (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
  );`;
