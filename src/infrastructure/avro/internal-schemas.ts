import { readFileSync } from 'node:fs';
import type { AttemptRecord } from '../../domain/attempt-record.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import { createRecordCodec, type RecordCodec, type SchemaSource } from './codec.ts';
import type { SchemaRegistry } from './registry.ts';
import { parseRecordSchema } from './schema-model.ts';

/** The same place beside `src/` in a checkout and beside `dist/` in the installed package. */
const SCHEMA_FOLDER = new URL('../../../schemas/', import.meta.url);

/** Folder of the event schemas that ship with the product. */
export const SHIPPED_EVENTS_FOLDER = new URL('events/', SCHEMA_FOLDER);

/** The codec of `schemas/delivery.avsc`. Rejects with `not_found` before bootstrap, `unavailable` without a registry. */
export function createDeliveryCodec(registry: SchemaSource): Promise<RecordCodec<DeliveryRecord>> {
  return createRecordCodec<DeliveryRecord>(readSchema('delivery'), registry);
}

/** The codec of `schemas/attempt.avsc`. Rejects like `createDeliveryCodec`. */
export function createAttemptCodec(registry: SchemaSource): Promise<RecordCodec<AttemptRecord>> {
  return createRecordCodec<AttemptRecord>(readSchema('attempt'), registry);
}

/** Registers the schemas of our own records; does nothing new when they are there already. */
export async function registerInternalSchemas(registry: Pick<SchemaRegistry, 'register'>): Promise<void> {
  for (const name of ['delivery', 'attempt'] as const) {
    const schema = readSchema(name);
    await registry.register(parseRecordSchema(schema).name, schema);
  }
}

function readSchema(name: 'delivery' | 'attempt'): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.avsc`, SCHEMA_FOLDER), 'utf8'));
}
