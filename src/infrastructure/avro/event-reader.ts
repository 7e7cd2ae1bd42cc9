import type { Catalogue } from '../../domain/catalogue.ts';
import type { Event, EventReadResult, EventRejectionReason } from '../../domain/event.ts';
import { type EventAttributes, readEventAttributes } from '../../domain/event-attributes.ts';
import type { EventType } from '../../domain/event-type.ts';
import { type ConsumedRecord, headerText } from '../../domain/record.ts';
import { createEventDataCodec, type EventDataCodec } from './event-data-codec.ts';
import { FRAME_BYTES, schemaIdOf } from './framing.ts';
import { MappingError } from './mapping-error.ts';
import type { SchemaRegistry } from './registry.ts';
import type { WriterSchema } from './writer-schemas.ts';

export interface EventReaderOptions {
  readonly registry: Pick<SchemaRegistry, 'writerSchema'>;
  readonly catalogue: Pick<Catalogue, 'byType' | 'byRecordName'>;
  /** Largest rendered body, bytes; what is larger is `too_large`. */
  readonly maxBodyBytes?: number;
  /**
   * Brings the catalogue up to date before a type is called unknown: it may have been registered a moment ago. It limits
   * its own rate, and rejects with `unavailable` when it cannot tell.
   */
  readonly refreshCatalogue?: (type: string) => Promise<void>;
}

export interface EventReader {
  /**
   * Makes an event of a record, or says why it is none. At once when schema and type have been met before. Rejects only
   * with `unavailable`, while the registry (or the catalogue) does not answer: the caller waits and reads again.
   */
  read(record: ConsumedRecord): EventReadResult | Promise<EventReadResult>;
}

const ONE_MIB = 1_048_576;

/** Creates a reader. What it compiles is kept per event type and per writer's schema, and renewed with the catalogue. */
export function createEventReader(options: EventReaderOptions): EventReader {
  const { catalogue, refreshCatalogue } = options;
  const readValue = createValueReader(options);

  function readKnown(record: ConsumedRecord, attributes: EventAttributes): EventReadResult | Promise<EventReadResult> {
    const eventType = catalogue.byType(attributes.type);
    if (eventType !== undefined) return readValue(record, attributes, eventType);
    return rejected('unknown_type', `the catalogue has no event type ${attributes.type}`);
  }

  async function readAfterRefresh(
    record: ConsumedRecord,
    attributes: EventAttributes,
    refresh: (type: string) => Promise<void>,
  ): Promise<EventReadResult> {
    await refresh(attributes.type);
    return readKnown(record, attributes);
  }

  return {
    read(record) {
      const result = readEventAttributes(record.headers);
      if (result.kind === 'invalid') return { kind: 'rejected', rejection: result.rejection };
      const { attributes } = result;
      const mayBeNew = refreshCatalogue !== undefined && catalogue.byType(attributes.type) === undefined;
      return mayBeNew ? readAfterRefresh(record, attributes, refreshCatalogue) : readKnown(record, attributes);
    },
  };
}

type ReadValue = (
  record: ConsumedRecord,
  attributes: EventAttributes,
  eventType: EventType,
) => EventReadResult | Promise<EventReadResult>;

function createValueReader({ registry, catalogue, maxBodyBytes = ONE_MIB }: EventReaderOptions): ReadValue {
  const codecs = new WeakMap<EventType, EventDataCodec>();
  const decoders = new WeakMap<EventType, Map<number, Decoder>>();

  function codecOf(eventType: EventType): EventDataCodec {
    const codec = codecs.get(eventType) ?? createEventDataCodec(eventType);
    codecs.set(eventType, codec);
    return codec;
  }

  function decoderOf(writer: WriterSchema, eventType: EventType): Decoder {
    const known = decoders.get(eventType)?.get(writer.id);
    if (known !== undefined) return known;
    const decoder = createDecoder(writer, eventType);
    // What the registry does not know today it may know tomorrow; everything else about an id never changes.
    if (writer.kind !== 'unknown') {
      const byWriter = decoders.get(eventType) ?? new Map<number, Decoder>();
      decoders.set(eventType, byWriter.set(writer.id, decoder));
    }
    return decoder;
  }

  function createDecoder(writer: WriterSchema, eventType: EventType): Decoder {
    if (writer.kind === 'unknown') return refusing('unknown_schema', `the registry has no schema ${writer.id}`);
    if (writer.kind === 'unusable') return refusing('decode_failed', `the schema ${writer.id} ${writer.problem}`);
    const { name = '(no name)' } = writer.type;
    if (name !== eventType.recordName) {
      const other = catalogue.byRecordName(name)?.type;
      const what = other === undefined ? `the record ${name}` : `an event of type ${other}`;
      return refusing('type_mismatch', `ce_type is ${eventType.type}, but the value is ${what}`);
    }
    return decoding(codecOf(eventType), writer);
  }

  function readAvro(value: Buffer | null, attributes: EventAttributes, eventType: EventType) {
    const id = schemaIdOf(value);
    if (typeof id === 'string' || value === null) return rejected('bad_framing', String(id));
    const render = (writer: WriterSchema) => {
      const decoded = decoderOf(writer, eventType)(value.subarray(FRAME_BYTES));
      return decoded.kind === 'decoded' ? rendered(attributes, decoded.data, maxBodyBytes) : decoded;
    };
    const writer = registry.writerSchema(id);
    return writer instanceof Promise ? writer.then(render) : render(writer);
  }

  function readJson(value: Buffer | null, attributes: EventAttributes, eventType: EventType) {
    const decoded = decodeJson(value, () => codecOf(eventType));
    return decoded.kind === 'decoded' ? rendered(attributes, decoded.data, maxBodyBytes) : decoded;
  }

  return (record, attributes, eventType) =>
    isJson(record) ? readJson(record.value, attributes, eventType) : readAvro(record.value, attributes, eventType);
}

type Rejected = EventReadResult & { kind: 'rejected' };
type Decoded = { readonly kind: 'decoded'; readonly data: unknown } | Rejected;
type Decoder = (value: Buffer) => Decoded;

function isJson(record: ConsumedRecord): boolean {
  return /^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(headerText(record.headers, 'content-type') ?? '');
}

function refusing(reason: EventRejectionReason, message: string): Decoder {
  const rejection = rejected(reason, message);
  return () => rejection;
}

function decoding(codec: EventDataCodec, writer: WriterSchema & { kind: 'avro' }): Decoder {
  try {
    const decode = codec.decoderFor(writer);
    return (value) => fenced(() => decode(value), `the value does not fit its schema ${writer.id}`);
  } catch (error) {
    return refusing('decode_failed', `schema ${writer.id} cannot be read as this type: ${messageOf(error)}`);
  }
}

function decodeJson(value: Buffer | null, codec: () => EventDataCodec): Decoded {
  if (value === null)
    return rejected('bad_framing', 'the record has no value; events are never deleted by a tombstone');
  const parsed = fenced(() => JSON.parse(value.toString('utf8')), 'the value is not JSON');
  if (parsed.kind === 'rejected') return parsed;
  const normalised = fenced(() => codec().normalise(parsed.data), 'the value cannot be read');
  if (normalised.kind === 'rejected') return normalised;
  const violation = codec().violation(normalised.data);
  return violation === null ? normalised : rejected('schema_violation', violation);
}

/** Whatever a broken value makes the decoder throw becomes a reason; only the message is kept. */
function fenced(decode: () => unknown, what: string): Decoded {
  try {
    return { kind: 'decoded', data: decode() };
  } catch (error) {
    if (error instanceof MappingError) return rejected('schema_violation', `${error.where('data')} ${error.reason}`);
    return rejected('decode_failed', `${what}: ${messageOf(error)}`);
  }
}

function rendered(attributes: EventAttributes, data: unknown, maxBodyBytes: number): EventReadResult {
  const body = fenced(() => bodyOf(attributes, data), 'the value cannot be written as JSON');
  if (body.kind === 'rejected') return body;
  if (!Buffer.isBuffer(body.data) || body.data.length > maxBodyBytes) {
    return rejected('too_large', `the rendered body is larger than ${maxBodyBytes} bytes`);
  }
  const event: Event = { ...attributes, body: body.data };
  return { kind: 'event', event };
}

/** The exact bytes that receivers get. Id, type and time are of checked characters: nothing in them needs escaping. */
function bodyOf({ id, type, time }: EventAttributes, data: unknown): Buffer {
  return Buffer.from(`{"id":"${id}","type":"${type}","timestamp":"${time}","data":${JSON.stringify(data)}}`);
}

function rejected(reason: EventRejectionReason, message: string): Rejected {
  return { kind: 'rejected', rejection: { reason, message } };
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 500);
}
