import type { EventType } from '../../domain/event-type.ts';
import { type Database, query } from './database.ts';

/** Adds an event type or replaces it; an unchanged one keeps its version. */
export async function saveEventType(database: Database, eventType: EventType): Promise<void> {
  await query(
    database.knex,
    `INSERT INTO event_types AS t (type, record_name, description, avro_schema, json_schema, sample) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (type) DO UPDATE SET record_name = EXCLUDED.record_name, description = EXCLUDED.description,
       avro_schema = EXCLUDED.avro_schema, json_schema = EXCLUDED.json_schema, sample = EXCLUDED.sample
     WHERE (t.record_name, t.description, t.avro_schema::text, t.json_schema::text, t.sample::text) IS DISTINCT FROM
       (EXCLUDED.record_name, EXCLUDED.description, EXCLUDED.avro_schema::text, EXCLUDED.json_schema::text, EXCLUDED.sample::text)`,
    [
      eventType.type,
      eventType.recordName,
      eventType.description,
      JSON.stringify(eventType.avroSchema),
      JSON.stringify(eventType.jsonSchema),
      JSON.stringify(eventType.sample),
    ],
  );
}

/** The version of every event type, by type. */
export async function readEventTypeVersions(database: Database): Promise<ReadonlyMap<string, number>> {
  const rows = await query<{ type: string; version: string }>(database.knex, 'SELECT type, version FROM event_types');
  return new Map(rows.map((row) => [row.type, Number(row.version)]));
}

/** An event type with the version of its row. */
export interface VersionedEventType extends EventType {
  readonly version: number;
}

/** The event types of these names; names that do not exist are left out. */
export async function readEventTypes(
  database: Database,
  types: readonly string[],
): Promise<readonly VersionedEventType[]> {
  const rows = await query<EventTypeRow>(
    database.knex,
    `SELECT type, record_name, description, avro_schema, json_schema, sample, version FROM event_types
     WHERE type = ANY (CAST(? AS text[]))`,
    [[...types]],
  );
  return rows.map((row) => ({
    type: row.type,
    recordName: row.record_name,
    description: row.description,
    avroSchema: row.avro_schema,
    jsonSchema: row.json_schema,
    sample: row.sample,
    version: Number(row.version),
  }));
}

interface EventTypeRow {
  readonly type: string;
  readonly record_name: string;
  readonly description: string;
  readonly avro_schema: unknown;
  readonly json_schema: Record<string, unknown>;
  readonly sample: Record<string, unknown>;
  readonly version: string;
}
