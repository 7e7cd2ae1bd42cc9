import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { EventType } from '../../domain/event-type.ts';
import { type AvroType, parseEventType } from './avro-type.ts';
import { fromJson } from './from-json.ts';
import { changedMeaning, contradiction } from './meaning.ts';
import { parseAvroSchema } from './schema-model.ts';
import { compileToJson } from './to-json.ts';
import { compileWireGuard } from './wire-guard.ts';
import type { WriterSchema } from './writer-schemas.ts';

/** `data` of one event type between Avro (bare, without framing) and the receiver's form. Compiled once per type. */
export interface EventDataCodec {
  /**
   * A decoder for values of one writer's schema: bytes in, `data` in the receiver's form out. Creating it throws when
   * the schemas are not compatible; it throws any error on a broken value, `MappingError` where JSON has no such value.
   */
  decoderFor(writer: Writer): (value: Buffer) => unknown;
  /** Avro bytes of `data`; missing fields get their defaults, unknown ones are dropped. Throws `MappingError`. */
  encode(data: unknown): Buffer;
  /** Brings data from outside into the receiver's form (defaults filled in, times in UTC). Throws `MappingError`. */
  normalise(data: unknown): unknown;
  /** What the type's JSON Schema has against `data`: a sentence, or null when it is valid. */
  violation(data: unknown): string | null;
}

/** A writer's schema, parsed for reading and for comparing. */
type Writer = Pick<WriterSchema & { kind: 'avro' }, 'type' | 'node'>;

/** Compiles the codec. Throws when the schema is not valid. */
export function createEventDataCodec(eventType: Pick<EventType, 'avroSchema' | 'jsonSchema'>): EventDataCodec {
  const node = parseAvroSchema(eventType.avroSchema);
  const reader = parseEventType(eventType.avroSchema);
  const toJson = compileToJson(node);
  const encode = (data: unknown): Buffer => reader.toBuffer(fromJson(node, data));
  return {
    encode,
    decoderFor(writer) {
      const change = changedMeaning(writer.node, node, contradiction);
      if (change !== null) throw new Error(`the meaning of ${change}`);
      return decoder(reader, writer.type, toJson);
    },
    normalise: (data) => toJson(reader.fromBuffer(encode(data))),
    violation: createValidator(eventType.jsonSchema),
  };
}

function decoder(reader: AvroType, writer: AvroType, toJson: (value: unknown) => unknown): (value: Buffer) => unknown {
  const guard = compileWireGuard(writer);
  const resolver = reader.equals(writer) ? undefined : reader.createResolver(writer);
  return (value) => {
    guard(value);
    return toJson(reader.fromBuffer(value, resolver));
  };
}

/** Compiled when first asked: most event types never see a JSON value. */
function createValidator(jsonSchema: Record<string, unknown>): EventDataCodec['violation'] {
  let validate: ReturnType<Ajv2020['compile']> | undefined;
  return (data) => {
    validate ??= sharedAjv().compile(jsonSchema);
    if (validate(data)) return null;
    const [first] = validate.errors ?? [];
    return `data${(first?.instancePath ?? '').replaceAll('/', '.')} ${first?.message ?? 'is not valid'}`;
  };
}

let ajv: Ajv2020 | undefined;

/** One for all: preparing an instance takes longer than compiling a schema. */
function sharedAjv(): Ajv2020 {
  if (ajv !== undefined) return ajv;
  // The schemas are our own work, checked by tests: no need to hold each against the meta-schema again.
  ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false, validateSchema: false });
  addFormats.default(ajv);
  return ajv;
}
