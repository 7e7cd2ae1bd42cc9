import { createCatalogue } from '../../src/domain/catalogue.ts';
import { recordNameOf } from '../../src/domain/event-naming.ts';
import type { EventType } from '../../src/domain/event-type.ts';
import type { ConsumedRecord, RecordHeaders } from '../../src/domain/record.ts';
import { parseEventType } from '../../src/infrastructure/avro/avro-type.ts';
import { describeEventType } from '../../src/infrastructure/avro/catalogue-files.ts';
import { createEventReader } from '../../src/infrastructure/avro/event-reader.ts';
import { frame } from '../../src/infrastructure/avro/framing.ts';
import { parseAvroSchema } from '../../src/infrastructure/avro/schema-model.ts';
import type { WriterSchema } from '../../src/infrastructure/avro/writer-schemas.ts';

/** A record schema of the given type's name; every field gets a doc unless it brings one. */
export function recordSchema(type: string, fields: readonly object[]) {
  const fullName = recordNameOf(type);
  const dot = fullName.lastIndexOf('.');
  return {
    type: 'record',
    name: fullName.slice(dot + 1),
    namespace: fullName.slice(0, dot),
    doc: `What ${type} tells`,
    fields: fields.map((field) => ({ doc: 'A field', ...field })),
  };
}

export function anEventType(type: string, fields: readonly object[]): EventType {
  return describeEventType(type, recordSchema(type, fields));
}

/** Headers of a good event; `undefined` takes one away. */
export function eventHeaders(type: string, changes: RecordHeaders = {}): RecordHeaders {
  return {
    ce_specversion: '1.0',
    ce_id: 'evt-1',
    ce_source: '/tests',
    ce_type: type,
    ce_time: '2026-01-19T10:30:00Z',
    ce_tenantid: 'acme',
    ...changes,
  };
}

export function aRecord(value: Buffer | null, headers: RecordHeaders): ConsumedRecord {
  return { topic: 'events.test', partition: 0, offset: 7, timestampMs: 1_768_818_600_000, key: null, value, headers };
}

/** A value of a writer's schema, in Confluent's framing. */
export function framedValue(id: number, schema: unknown, avroValue: unknown): Buffer {
  return frame(id, parseEventType(schema).toBuffer(avroValue));
}

/** A writer's schema as the registry would hand it over. */
export function avroWriter(schema: unknown, id = 1) {
  return { kind: 'avro' as const, id, type: parseEventType(schema), node: parseAvroSchema(schema) };
}

/** A reader over schemas by id, without a registry: ids that are not given are unknown. */
export function readerFor(
  eventTypes: readonly EventType[],
  schemas: ReadonlyMap<number, unknown>,
  maxBodyBytes?: number,
) {
  const registry = {
    writerSchema: (id: number): WriterSchema => {
      const schema = schemas.get(id);
      return schema === undefined ? { kind: 'unknown', id } : avroWriter(schema, id);
    },
  };
  const catalogue = createCatalogue(eventTypes);
  return createEventReader({ registry, catalogue, ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }) });
}
