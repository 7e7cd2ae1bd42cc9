import { AppError } from '../../domain/errors.ts';
import { parseRecordType } from './avro-type.ts';
import { FRAME_BYTES, schemaIdOf } from './framing.ts';
import type { SchemaRegistry } from './registry.ts';
import { parseRecordSchema } from './schema-model.ts';
import type { WriterSchema } from './writer-schemas.ts';

/** Our own records between objects and Confluent-framed Avro. */
export interface RecordCodec<T> {
  encode(record: T): Buffer;
  /**
   * At once when the writer's schema has been met before. Throws (or rejects) with `bad_request` when the value is not
   * such a record, and with `unavailable` when the registry is needed and does not answer.
   */
  decode(value: Buffer): T | Promise<T>;
}

/** What a codec asks of the registry. */
export type SchemaSource = Pick<SchemaRegistry, 'idOf' | 'writerSchema'>;

type Decode<T> = (value: Buffer) => T;

/** Looks up the schema's id, which must be registered: rejects with `not_found` or `unavailable` otherwise. */
export async function createRecordCodec<T>(schema: unknown, registry: SchemaSource): Promise<RecordCodec<T>> {
  const ownId = await registry.idOf(parseRecordSchema(schema).name, schema);
  const reader = parseRecordType(schema);
  const decoders = new Map<number, Decode<T>>([[ownId, (value) => reader.fromBuffer(value.subarray(FRAME_BYTES))]]);

  function learn(writer: WriterSchema): Decode<T> {
    if (writer.kind !== 'avro') throw unreadable(writer.kind === 'unusable' ? writer.problem : 'is not registered');
    const resolver = reader.createResolver(writer.type);
    const decode: Decode<T> = (value) => reader.fromBuffer(value.subarray(FRAME_BYTES), resolver);
    decoders.set(writer.id, decode);
    return decode;
  }

  return {
    encode: createEncoder(reader, ownId),
    decode(value) {
      const id = schemaIdOf(value);
      if (typeof id === 'string') throw new AppError('bad_request', id);
      const known = decoders.get(id);
      if (known !== undefined) return guarded(known, value);
      const writer = registry.writerSchema(id);
      return writer instanceof Promise
        ? writer.then((schema) => guarded(learn(schema), value))
        : guarded(learn(writer), value);
    },
  };
}

/** First guess of a record's size; grows to the largest record met, at most a few MiB. */
const INITIAL_SCRATCH_BYTES = 4096;

/** Encodes into one scratch buffer and copies what came out: framing and value in a single allocation. */
function createEncoder<T>(type: ReturnType<typeof parseRecordType>, id: number): (record: T) => Buffer {
  let scratch = createScratch(INITIAL_SCRATCH_BYTES, id);
  return (record) => {
    const end = type.encode(record, scratch, FRAME_BYTES);
    if (end >= 0) return Buffer.from(scratch.subarray(0, end));
    // avsc answers a buffer that is too small with minus the bytes that are missing.
    scratch = createScratch((scratch.length - end) * 2, id);
    return Buffer.from(scratch.subarray(0, type.encode(record, scratch, FRAME_BYTES)));
  };
}

function createScratch(bytes: number, id: number): Buffer {
  const scratch = Buffer.alloc(bytes);
  scratch.writeInt32BE(id, 1);
  return scratch;
}

function guarded<T>(decode: Decode<T>, value: Buffer): T {
  try {
    return decode(value);
  } catch (error) {
    throw unreadable(String(error));
  }
}

function unreadable(problem: string): AppError {
  return new AppError('bad_request', `the value is not a record of this kind: ${problem}`);
}
