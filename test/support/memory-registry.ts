import { AppError } from '../../src/domain/errors.ts';
import type { SchemaRegistry } from '../../src/infrastructure/avro/registry.ts';
import { avroWriter } from './avro-records.ts';

/** What the codecs and the publisher ask of a registry, answered from memory; records which subjects were looked up. */
export function memoryRegistry() {
  const schemas: unknown[] = [];
  const lookUps: string[] = [];
  const register = (schema: unknown): number => schemas.push(schema);
  const idOf: SchemaRegistry['idOf'] = async (subject, schema) => {
    lookUps.push(subject);
    const index = schemas.findIndex((known) => JSON.stringify(known) === JSON.stringify(schema));
    if (index === -1) throw new AppError('not_found', `${subject} is not registered`);
    return index + 1;
  };
  const writerSchema: SchemaRegistry['writerSchema'] = async (id) => {
    const schema = schemas[id - 1];
    return schema === undefined ? { kind: 'unknown', id } : avroWriter(schema, id);
  };
  return { register, lookUps, idOf, writerSchema };
}
