import { AppError } from '../../domain/errors.ts';

/** Units of Avro's timestamps, by digits after the second. */
export type TimestampDigits = 3 | 6 | 9;

/**
 * An Avro schema with its names resolved and its logical types interpreted: what the JSON mapping, JSON Schema, samples
 * and TypeScript types are all derived from. A logical type that Avro defines is a kind of its own; an unknown one is
 * ignored, as Avro asks. `branch` is the name of the type inside a union. Records may contain themselves.
 */
export type AvroNode = { readonly branch: string } & AvroShape;

type AvroShape = ScalarShape | StructureShape;

/** Types whose values are one JSON value without parts. */
type ScalarShape =
  | { [K in Primitive]: { readonly kind: K } }[Primitive]
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly size: number | null }
  | { readonly kind: 'date' }
  | { readonly kind: 'time'; readonly digits: 3 | 6 }
  | { readonly kind: 'timestamp'; readonly digits: TimestampDigits; readonly local: boolean }
  | { readonly kind: 'uuid'; readonly binary: boolean }
  | { readonly kind: 'duration' };

/** Types that are made of other types, and enums. */
type StructureShape =
  | EnumNode
  | { readonly kind: 'array'; readonly items: AvroNode }
  | { readonly kind: 'map'; readonly values: AvroNode }
  | { readonly kind: 'union'; readonly branches: readonly AvroNode[] }
  | RecordNode;

interface EnumNode {
  readonly kind: 'enum';
  readonly name: string;
  readonly doc: string;
  readonly symbols: readonly string[];
}

export interface RecordNode {
  readonly kind: 'record';
  readonly name: string;
  readonly doc: string;
  readonly fields: readonly AvroField[];
}

export interface AvroField {
  readonly name: string;
  readonly doc: string;
  readonly node: AvroNode;
  readonly hasDefault: boolean;
  /** The field's `example` attribute, in the receiver's form; undefined without one. */
  readonly example: unknown;
}

export type ScalarNode = { readonly branch: string } & ScalarShape;

const STRUCTURES: readonly string[] = ['enum', 'array', 'map', 'union', 'record'] satisfies StructureShape['kind'][];

/** Divides the kinds, so that each half can be handled to the last one. */
export function isScalar(node: AvroNode): node is ScalarNode {
  return !STRUCTURES.includes(node.kind);
}

interface Scope {
  readonly namespace: string;
  readonly names: Map<string, AvroNode>;
}

type Attributes = Readonly<Record<string, unknown>>;

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'] as const;
type Primitive = (typeof PRIMITIVES)[number];

/**
 * Reads a schema (parsed JSON); `referenced` are schemas whose names it may use, each after the ones it needs itself.
 * Throws `bad_request` with a sentence when it is not an Avro schema.
 */
export function parseAvroSchema(schema: unknown, referenced: readonly unknown[] = []): AvroNode {
  const scope = { namespace: '', names: new Map<string, AvroNode>() };
  for (const other of referenced) parse(other, scope);
  return parse(schema, scope);
}

/** Reads a schema that must be a record, as every event and every internal record is. */
export function parseRecordSchema(schema: unknown): RecordNode {
  const node = parseAvroSchema(schema);
  if (node.kind !== 'record') throw invalid(`the schema is of type ${node.kind}, and must be a record`);
  return node;
}

function parse(schema: unknown, scope: Scope): AvroNode {
  if (typeof schema === 'string') return parseName(schema, scope);
  if (Array.isArray(schema)) return { kind: 'union', branch: 'union', branches: schema.map((s) => parse(s, scope)) };
  if (isAttributes(schema)) return parseObject(schema, scope);
  throw invalid(`${JSON.stringify(schema)} is not an Avro type`);
}

function parseName(name: string, scope: Scope): AvroNode {
  if (isPrimitive(name)) return Object.assign(plain(name), { branch: name });
  const known = scope.names.get(fullName(name, scope.namespace));
  if (known === undefined) throw invalid(`the type ${name} is not defined`);
  return known;
}

function parseObject(schema: Attributes, scope: Scope): AvroNode {
  const type = schema['type'];
  switch (type) {
    case 'record':
    case 'error':
      return parseRecord(schema, scope);
    case 'enum':
      return define(schema, scope, (name) => ({
        kind: 'enum',
        name,
        doc: text(schema['doc']),
        symbols: strings(schema['symbols'], `the symbols of ${name}`),
      }));
    case 'fixed':
      return define(schema, scope, () => fixedShape(schema));
    case 'array':
      return { kind: 'array', branch: 'array', items: parse(schema['items'], scope) };
    case 'map':
      return { kind: 'map', branch: 'map', values: parse(schema['values'], scope) };
    default:
      if (typeof type !== 'string') return parse(type, scope);
      return isPrimitive(type) ? Object.assign(primitiveShape(type, schema), { branch: type }) : parseName(type, scope);
  }
}

function parseRecord(schema: Attributes, scope: Scope): AvroNode {
  const fields: AvroField[] = [];
  const name = fullNameOf(schema, scope);
  // Known by name before its fields are read: a record may contain itself.
  const node = define(schema, scope, () => ({ kind: 'record', name, doc: text(schema['doc']), fields }));
  const inner = { namespace: name.slice(0, Math.max(0, name.lastIndexOf('.'))), names: scope.names };
  if (!Array.isArray(schema['fields'])) throw invalid(`the record ${name} has no fields`);
  for (const field of schema['fields']) fields.push(parseField(field, name, inner));
  return node;
}

function parseField(field: unknown, record: string, scope: Scope): AvroField {
  if (!isAttributes(field) || typeof field['name'] !== 'string') throw invalid(`a field of ${record} has no name`);
  return {
    name: field['name'],
    doc: text(field['doc']),
    node: parse(field['type'], scope),
    hasDefault: field['default'] !== undefined,
    example: field['example'],
  };
}

function primitiveShape(type: Primitive, schema: Attributes): AvroShape {
  const logical = schema['logicalType'];
  if (type === 'bytes' && logical === 'decimal') return decimalShape(schema, null);
  if (type === 'string' && logical === 'uuid') return { kind: 'uuid', binary: false };
  if (type === 'int' && logical === 'date') return { kind: 'date' };
  if (type === 'int' && logical === 'time-millis') return { kind: 'time', digits: 3 };
  if (type === 'long' && logical === 'time-micros') return { kind: 'time', digits: 6 };
  const timestamp = type === 'long' && typeof logical === 'string' ? TIMESTAMPS[logical] : undefined;
  return timestamp === undefined ? plain(type) : { kind: 'timestamp', ...timestamp };
}

/** A primitive without a logical type. */
function plain(kind: Primitive): AvroShape {
  return { kind };
}

const TIMESTAMPS: Readonly<Record<string, { digits: TimestampDigits; local: boolean }>> = {
  'timestamp-millis': { digits: 3, local: false },
  'timestamp-micros': { digits: 6, local: false },
  'timestamp-nanos': { digits: 9, local: false },
  'local-timestamp-millis': { digits: 3, local: true },
  'local-timestamp-micros': { digits: 6, local: true },
  'local-timestamp-nanos': { digits: 9, local: true },
};

function fixedShape(schema: Attributes): AvroShape {
  const size = schema['size'];
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 0) throw invalid('a fixed type needs a size');
  const logical = schema['logicalType'];
  if (logical === 'decimal') return decimalShape(schema, size);
  if (logical === 'uuid' && size === 16) return { kind: 'uuid', binary: true };
  if (logical === 'duration' && size === 12) return { kind: 'duration' };
  return { kind: 'fixed', size };
}

function decimalShape(schema: Attributes, size: number | null): AvroShape {
  const precision = schema['precision'];
  const scale = schema['scale'] ?? 0;
  const valid =
    typeof precision === 'number' && typeof scale === 'number' && precision > 0 && scale >= 0 && scale <= precision;
  if (valid) return { kind: 'decimal', precision, scale, size };
  // Avro asks to ignore a logical type that is not valid.
  return size === null ? { kind: 'bytes' } : { kind: 'fixed', size };
}

function define(schema: Attributes, scope: Scope, shape: (name: string) => AvroShape): AvroNode {
  const name = fullNameOf(schema, scope);
  if (scope.names.has(name)) throw invalid(`the name ${name} is defined twice`);
  const node = Object.assign(shape(name), { branch: name });
  scope.names.set(name, node);
  return node;
}

function fullNameOf(schema: Attributes, scope: Scope): string {
  if (typeof schema['name'] !== 'string') throw invalid(`a type of kind ${text(schema['type'])} has no name`);
  return fullName(schema['name'], typeof schema['namespace'] === 'string' ? schema['namespace'] : scope.namespace);
}

function fullName(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`;
}

function strings(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw invalid(`${what} are missing`);
  return value;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isPrimitive(name: string): name is Primitive {
  return PRIMITIVES.some((primitive) => primitive === name);
}

function isAttributes(value: unknown): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): AppError {
  return new AppError('bad_request', message);
}
