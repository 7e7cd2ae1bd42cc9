import type { Knex } from 'knex';

/**
 * What people configure. Each change of a webhook (its row or its secrets) and of an event type takes the next number of
 * one sequence as `version` and is announced on `posthorn_changes`, so that caches know what they have missed.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(TENANTS_AND_KEYS);
  await knex.raw(WEBHOOKS);
  await knex.raw(CATALOGUE);
  await knex.raw(CHANGES);
}

const TENANTS_AND_KEYS = `
  CREATE TABLE tenants (
    id text PRIMARY KEY,
    sealed_test_secret text,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE api_keys (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants (id),
    name text NOT NULL,
    secret_digest bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at timestamptz
  );
  CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id);
  CREATE TABLE secret_key_check (
    key_id text PRIMARY KEY,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );`;

// filters is json, not jsonb: it is answered with its keys in the order in which it came.
const WEBHOOKS = `
  CREATE SEQUENCE change_version;
  CREATE TABLE webhooks (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants (id),
    event_type text NOT NULL,
    url text NOT NULL,
    description text NOT NULL DEFAULT '',
    filters json NOT NULL DEFAULT '{}',
    settings jsonb NOT NULL DEFAULT '{}',
    is_active boolean NOT NULL DEFAULT true,
    disabled_reason text CHECK (disabled_reason IN ('gone', 'failing')),
    version bigint NOT NULL DEFAULT nextval('change_version'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (disabled_reason IS NULL OR NOT is_active)
  );
  CREATE INDEX webhooks_newest_of_tenant ON webhooks (tenant_id, created_at DESC, id DESC);
  CREATE TABLE webhook_secrets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX webhook_secrets_by_webhook ON webhook_secrets (webhook_id, id DESC);
  CREATE TABLE webhook_stats (
    webhook_id uuid PRIMARY KEY,
    total_deliveries bigint NOT NULL DEFAULT 0,
    successful_deliveries bigint NOT NULL DEFAULT 0,
    failed_deliveries bigint NOT NULL DEFAULT 0,
    last_triggered_at timestamptz
  );
  CREATE TABLE test_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenants (id),
    url text NOT NULL,
    event_id text NOT NULL,
    http_status_code integer,
    failure_code text,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
  );
  CREATE INDEX test_deliveries_of_tenant ON test_deliveries (tenant_id, id DESC);`;

const CATALOGUE = `
  CREATE TABLE event_types (
    type text PRIMARY KEY,
    record_name text NOT NULL UNIQUE,
    description text NOT NULL,
    avro_schema json NOT NULL,
    json_schema json NOT NULL,
    sample json NOT NULL,
    version bigint NOT NULL DEFAULT nextval('change_version'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  );`;

// A secret that comes or goes touches its webhook, whose own trigger then does the rest. On a cascading delete the
// webhook is no longer there to touch.
const CHANGES = `
  CREATE FUNCTION stamp_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    NEW.version := nextval('change_version');
    NEW.updated_at := now();
    RETURN NEW;
  END $$;
  CREATE FUNCTION announce_change(kind text, id text, version bigint) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('posthorn_changes', json_build_object('kind', kind, 'id', id, 'version', version)::text)
  $$;
  CREATE FUNCTION announce_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM announce_change('webhook', COALESCE(NEW.id, OLD.id)::text, COALESCE(NEW.version, OLD.version));
    RETURN NULL;
  END $$;
  CREATE FUNCTION announce_event_type() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM announce_change('event_type', COALESCE(NEW.type, OLD.type), COALESCE(NEW.version, OLD.version));
    RETURN NULL;
  END $$;
  CREATE FUNCTION touch_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    UPDATE webhooks SET version = version WHERE id = COALESCE(NEW.webhook_id, OLD.webhook_id);
    RETURN NULL;
  END $$;
  CREATE TRIGGER stamp_webhook BEFORE UPDATE ON webhooks FOR EACH ROW EXECUTE FUNCTION stamp_change();
  CREATE TRIGGER announce_webhook AFTER INSERT OR UPDATE OR DELETE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION announce_webhook();
  CREATE TRIGGER touch_webhook AFTER INSERT OR UPDATE OR DELETE ON webhook_secrets
    FOR EACH ROW EXECUTE FUNCTION touch_webhook();
  CREATE TRIGGER stamp_event_type BEFORE UPDATE ON event_types FOR EACH ROW EXECUTE FUNCTION stamp_change();
  CREATE TRIGGER announce_event_type AFTER INSERT OR UPDATE OR DELETE ON event_types
    FOR EACH ROW EXECUTE FUNCTION announce_event_type();`;
