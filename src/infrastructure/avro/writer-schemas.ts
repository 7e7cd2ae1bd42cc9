import { AppError } from '../../domain/errors.ts';
import { type AvroType, parseEventType } from './avro-type.ts';
import { type RegistryAnswer, type RegistryRequest, unexpectedAnswer } from './registry-api.ts';
import { type AvroNode, parseAvroSchema } from './schema-model.ts';

/** What stands behind a schema id. `unusable`: a schema is there, but it is no Avro schema that can be read. */
export type WriterSchema =
  | { readonly kind: 'avro'; readonly id: number; readonly type: AvroType; readonly node: AvroNode }
  | { readonly kind: 'unusable'; readonly id: number; readonly problem: string }
  | { readonly kind: 'unknown'; readonly id: number };

/** Sends one request to the registry; rejects with `unavailable` when no registry answers. */
export type Ask = (request: RegistryRequest) => Promise<RegistryAnswer>;

/** Long enough that a stream of broken records does not become a stream of requests. */
const UNKNOWN_TTL_MS = 60_000;
/** Ids are the producer's to invent: the memory of unknown ones is bounded. */
const MAX_UNKNOWN = 10_000;
/** The registry's code for "there is no such schema". A 404 with any other code, or none, is somebody else's. */
const SCHEMA_NOT_FOUND = 40_403;

/** What came of asking the registry. */
export type LookUpResult = 'found' | 'unknown' | 'unusable' | 'failed';

/** Looks up schemas by id: a cached one at once, several questions for one id as one request, failures never cached. */
export function createWriterSchemas(
  ask: Ask,
  now: () => number,
  onLookUp: (result: LookUpResult) => void = () => undefined,
): (id: number) => WriterSchema | Promise<WriterSchema> {
  const known = new Map<number, WriterSchema>();
  const unknownUntilMs = new Map<number, number>();
  const pending = new Map<number, Promise<WriterSchema>>();

  async function load(id: number): Promise<WriterSchema> {
    try {
      const schema = await fetchWriterSchema(ask, id);
      onLookUp(schema.kind === 'avro' ? 'found' : schema.kind);
      if (schema.kind !== 'unknown') known.set(id, schema);
      else remember(unknownUntilMs, id, now() + UNKNOWN_TTL_MS);
      return schema;
    } catch (error) {
      onLookUp('failed');
      throw error;
    } finally {
      pending.delete(id);
    }
  }

  return (id) => {
    const schema = known.get(id);
    if (schema !== undefined) return schema;
    // Registries count from 1; other numbers are nothing that one could be asked about.
    if (id < 1 || (unknownUntilMs.get(id) ?? 0) > now()) return { kind: 'unknown', id };
    const request = pending.get(id) ?? load(id);
    pending.set(id, request);
    return request;
  };
}

function remember(unknownUntilMs: Map<number, number>, id: number, untilMs: number): void {
  const [oldest] = unknownUntilMs.keys();
  if (unknownUntilMs.size >= MAX_UNKNOWN && oldest !== undefined) unknownUntilMs.delete(oldest);
  unknownUntilMs.delete(id); // Set again below, at the end: the order of the map is the order of age.
  unknownUntilMs.set(id, untilMs);
}

async function fetchWriterSchema(ask: Ask, id: number): Promise<WriterSchema> {
  const answer = await ask({ method: 'GET', path: `/schemas/ids/${id}` });
  if (answer.kind === 'refused') {
    if (answer.status === 404 && answer.errorCode === SCHEMA_NOT_FOUND) return { kind: 'unknown', id };
    throw unexpectedAnswer(`asked for schema ${id}`, answer);
  }
  const { schemaType = 'AVRO', references = [] } = answer.body;
  const text = schemaText(answer.body, `schema ${id}`);
  if (schemaType !== 'AVRO') return { kind: 'unusable', id, problem: `is of type ${String(schemaType)}, not Avro` };
  return parseWriterSchema(id, text, await fetchReferences(ask, references));
}

export function schemaText(body: Readonly<Record<string, unknown>>, what: string): string {
  const { schema } = body;
  if (typeof schema === 'string') return schema;
  throw new AppError('unavailable', `the schema registry's answer for ${what} holds no schema`);
}

function parseWriterSchema(id: number, text: string, referenced: readonly string[]): WriterSchema {
  try {
    const schemas: unknown[] = referenced.map((reference) => JSON.parse(reference));
    const schema: unknown = JSON.parse(text);
    return { kind: 'avro', id, type: parseEventType(schema, schemas), node: parseAvroSchema(schema, schemas) };
  } catch (error) {
    return { kind: 'unusable', id, problem: `is not a valid Avro schema: ${String(error)}` };
  }
}

/** The schemas that a schema refers to, each after the ones that it needs itself. */
export async function fetchReferences(ask: Ask, references: unknown): Promise<string[]> {
  const texts: string[] = [];
  if (!Array.isArray(references)) return texts;
  for (const { subject, version } of references as readonly { subject: string; version: number }[]) {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`;
    const answer = await ask({ method: 'GET', path });
    if (answer.kind === 'refused') throw unexpectedAnswer(`asked for version ${version} of ${subject}`, answer);
    for (const text of await fetchReferences(ask, answer.body['references'])) {
      if (!texts.includes(text)) texts.push(text);
    }
    const text = schemaText(answer.body, subject);
    if (!texts.includes(text)) texts.push(text);
  }
  return texts;
}
