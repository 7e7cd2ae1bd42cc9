import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AppError } from '../../domain/errors.ts';
import { isEventTypeName, recordNameOf } from '../../domain/event-naming.ts';
import type { EventType } from '../../domain/event-type.ts';
import { createEventDataCodec } from './event-data-codec.ts';
import { toJsonSchema } from './json-schema.ts';
import { MappingError } from './mapping-error.ts';
import { sampleOf } from './sample.ts';
import { type AvroNode, isScalar, parseAvroSchema, type RecordNode } from './schema-model.ts';

const EXTENSION = '.avsc';

/**
 * Reads every `<event type>.avsc` of a folder, in the order of their names. Rejects with `bad_request` and all problems
 * of all files at once, each with its file and the rule that it breaks.
 */
export async function loadEventTypes(folder: string): Promise<EventType[]> {
  const files = await listSchemas(folder);
  const problems: string[] = [];
  const eventTypes: EventType[] = [];
  for (const file of files) {
    try {
      const schema: unknown = JSON.parse(await readFile(join(folder, file), 'utf8'));
      eventTypes.push(describeEventType(basename(file, EXTENSION), schema));
    } catch (error) {
      problems.push(`${file}: ${messageOf(error)}`);
    }
  }
  if (problems.length > 0) throw new AppError('bad_request', problems.join('\n'), { details: { folder } });
  return eventTypes;
}

/** Makes a catalogue entry of one schema. Throws `bad_request` with the rule that it breaks. */
export function describeEventType(type: string, schema: unknown): EventType {
  if (!isEventTypeName(type)) throw invalid('the file name must be <domain>.<what happened>.avsc, in lower snake case');
  const node = parseAvroSchema(schema);
  if (node.kind !== 'record') throw invalid('the schema must be a record');
  const expected = recordNameOf(type);
  if (node.name !== expected) throw invalid(`the record must be named ${expected}, not ${node.name}`);
  const undocumented = withoutDoc(node, []);
  if (undocumented !== null) throw invalid(`${undocumented} has no doc`);
  const jsonSchema = toJsonSchema(node);
  const sample = normalisedSample(node, schema, jsonSchema);
  return { type, recordName: node.name, description: node.doc, avroSchema: schema, jsonSchema, sample };
}

async function listSchemas(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((error: unknown) => {
    throw new AppError('bad_request', `the folder ${folder} cannot be read: ${messageOf(error)}`, { cause: error });
  });
  const schemas = files.filter((file) => file.endsWith(EXTENSION)).toSorted();
  if (schemas.length === 0) throw new AppError('bad_request', `the folder ${folder} holds no ${EXTENSION} file`);
  return schemas;
}

/** The sample as receivers would get it; examples that the schema does not allow are an error of the file. */
function normalisedSample(node: RecordNode, avroSchema: unknown, jsonSchema: Record<string, unknown>) {
  const codec = createEventDataCodec({ avroSchema, jsonSchema });
  const sample = codec.normalise(sampleOf(node));
  const violation = codec.violation(sample);
  if (violation !== null) throw invalid(`the examples do not fit the schema: ${violation}`);
  // A copy by way of JSON: what goes to the catalogue is what a receiver reads.
  const copy: Record<string, unknown> = JSON.parse(JSON.stringify(sample));
  return copy;
}

/** The first record or field without a doc: the catalogue is all that receivers know of an event. */
function withoutDoc(node: AvroNode, open: readonly AvroNode[]): string | null {
  if (isScalar(node) || open.includes(node)) return null;
  const inner = [...open, node];
  switch (node.kind) {
    case 'enum':
      return node.doc === '' ? `the enum ${node.name}` : null;
    case 'array':
      return withoutDoc(node.items, inner);
    case 'map':
      return withoutDoc(node.values, inner);
    case 'union':
      return firstOf(node.branches, (branch) => withoutDoc(branch, inner));
    case 'record':
      if (node.doc === '') return `the record ${node.name}`;
      return firstOf(node.fields, (field) =>
        field.doc === '' ? `the field ${field.name} of ${node.name}` : withoutDoc(field.node, inner),
      );
  }
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}

function messageOf(error: unknown): string {
  if (error instanceof MappingError)
    return `the examples do not fit the schema: ${error.where('data')} ${error.reason}`;
  return error instanceof Error ? error.message : String(error);
}

function invalid(message: string): AppError {
  return new AppError('bad_request', message);
}
