import avro from 'avsc';

/** A parsed Avro type of the avsc library. */
export type AvroType = avro.Type;

/** What our long type yields: a number where that is exact, else a bigint. */
type LongValue = number | bigint;

const MIN_LONG = -(2n ** 63n);
const MAX_LONG = 2n ** 63n - 1n;

// avsc's own long refuses what a number cannot hold exactly; events may carry such values, so this one falls back to bigint.
const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer): LongValue => {
    const high = bytes.readInt32LE(4);
    const value = high * 4_294_967_296 + bytes.readUInt32LE(0);
    return Number.isSafeInteger(value) ? value : bytes.readBigInt64LE(0);
  },
  toBuffer: (value: LongValue): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  },
  fromJSON: (value: LongValue): LongValue => value,
  toJSON: (value: LongValue): LongValue => value,
  isValid: isLong,
  compare: (left: LongValue, right: LongValue): number => (left < right ? -1 : Number(left > right)),
});

/**
 * Parses an event schema with the one set of options for events: unions wrapped (any union decodes, and the branch is
 * known), longs exact, logical types left to our mapping. `referenced` are schemas whose names it may use, in an order
 * in which each knows the ones before. Throws avsc's error when a schema is not valid.
 */
export function parseEventType(schema: unknown, referenced: readonly unknown[] = []): AvroType {
  const options = {
    wrapUnions: 'always' as const,
    omitRecordMethods: true,
    typeHook: (part: unknown): AvroType | undefined => (isPlainLong(part) ? LONG : undefined),
    registry: {},
  };
  for (const other of referenced) forSchema(other, options);
  return forSchema(schema, options);
}

/** Parses the schema of one of our own records: nullable fields as plain values, longs as numbers (checked to be exact). */
export function parseRecordType(schema: unknown): AvroType {
  return forSchema(schema, { wrapUnions: 'never' as const, omitRecordMethods: true });
}

function forSchema(schema: unknown, options: object): AvroType {
  // avsc checks the schema itself; its parameter type only lists what is valid.
  return avro.Type.forSchema(schema as Parameters<typeof avro.Type.forSchema>[0], options);
}

function isPlainLong(schema: unknown): boolean {
  if (schema === 'long') return true;
  return typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long';
}

function isLong(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  return typeof value === 'bigint' && value >= MIN_LONG && value <= MAX_LONG;
}
