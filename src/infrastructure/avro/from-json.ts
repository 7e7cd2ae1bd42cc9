import { parseDate, parseTime, parseTimestamp } from './calendar.ts';
import { at, MappingError } from './mapping-error.ts';
import { parseDecimal, parseDuration, parseLong } from './numbers.ts';
import { type AvroField, type AvroNode, isScalar, type RecordNode, type ScalarNode } from './schema-model.ts';

/**
 * Turns data in the receiver's form into the value that avsc encodes: the inverse of `compileToJson`. Fields that the
 * schema does not know are left out and missing ones with a default stay undefined (avsc fills them in), as Avro does
 * between versions. Throws `MappingError` with the place of what does not fit.
 */
export function fromJson(node: AvroNode, value: unknown): unknown {
  if (isScalar(node)) return scalarFromJson(node, value);
  switch (node.kind) {
    case 'array':
      return arrayFromJson(node.items, value);
    case 'map':
      return mapFromJson(node.values, value);
    case 'record':
      return recordFromJson(node, value);
    case 'union':
      return unionFromJson(node.branches, value);
    case 'enum':
      if (typeof value === 'string' && node.symbols.includes(value)) return value;
      throw new MappingError(`must be one of ${node.symbols.join(', ')}`);
  }
}

type Plain = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double';
type TextNode = Exclude<ScalarNode, { kind: Plain }>;

function scalarFromJson(node: ScalarNode, value: unknown): unknown {
  if (isPlain(node)) return plainFromJson(node.kind, value);
  if (typeof value === 'string') return textFromJson(node, value);
  throw new MappingError(`must be text${node.kind === 'string' ? '' : ` (${node.kind})`}`);
}

function isPlain(node: ScalarNode): node is Extract<ScalarNode, { kind: Plain }> {
  const kinds: readonly string[] = ['null', 'boolean', 'int', 'long', 'float', 'double'] satisfies Plain[];
  return kinds.includes(node.kind);
}

function plainFromJson(kind: Plain, value: unknown): unknown {
  switch (kind) {
    case 'null':
      if (value === null) return null;
      throw new MappingError('must be null');
    case 'boolean':
      if (typeof value === 'boolean') return value;
      throw new MappingError('must be true or false');
    case 'int':
      if (typeof value === 'number' && (value | 0) === value) return value;
      throw new MappingError('must be a whole number of 32 bits');
    case 'long':
      return parseLong(value);
    case 'float':
      if (typeof value === 'number' && Number.isFinite(Math.fround(value))) return value;
      throw new MappingError('must be a number of 32 bits');
    case 'double':
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      throw new MappingError('must be a number');
  }
}

function textFromJson(node: TextNode, value: string): unknown {
  switch (node.kind) {
    case 'string':
      return value;
    case 'bytes':
      return base64(value);
    case 'fixed':
      return sized(base64(value), node.size);
    case 'decimal':
      return parseDecimal(value, node);
    case 'date':
      return parseDate(value);
    case 'time':
      return parseTime(value, node.digits);
    case 'timestamp':
      return parseTimestamp(value, node.digits, node.local);
    case 'uuid':
      return uuid(value, node.binary);
    case 'duration':
      return parseDuration(value);
  }
}

function arrayFromJson(items: AvroNode, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new MappingError('must be a list');
  return value.map((item: unknown, index) => within(index, () => fromJson(items, item)));
}

function mapFromJson(values: AvroNode, value: unknown): Record<string, unknown> {
  // Without a prototype: a key may have any name, `__proto__` too.
  const result: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(object(value))) result[key] = within(key, () => fromJson(values, item));
  return result;
}

function recordFromJson(node: RecordNode, value: unknown): Record<string, unknown> {
  const source = object(value);
  const result: Record<string, unknown> = {};
  for (const field of node.fields) result[field.name] = within(field.name, () => fieldFromJson(field, source));
  return result;
}

function fieldFromJson(field: AvroField, source: Readonly<Record<string, unknown>>): unknown {
  if (Object.hasOwn(source, field.name)) return fromJson(field.node, source[field.name]);
  if (field.hasDefault) return undefined;
  throw new MappingError('is missing');
}

/** The first branch that takes the value. avsc wants it wrapped in the branch's name, except null. */
function unionFromJson(branches: readonly AvroNode[], value: unknown): unknown {
  if (value === null && branches.some(({ kind }) => kind === 'null')) return null;
  const candidates = branches.filter(({ kind }) => kind !== 'null');
  const [only] = candidates;
  if (candidates.length === 1 && only !== undefined) return { [only.branch]: fromJson(only, value) };
  for (const branch of byResemblance(candidates, value)) {
    const converted = attempt(branch, value);
    if (converted !== undefined) return { [branch.branch]: converted };
  }
  throw new MappingError(`fits none of ${branches.map(({ branch }) => branch).join(', ')}`);
}

function attempt(branch: AvroNode, value: unknown): unknown {
  try {
    return fromJson(branch, value);
  } catch (error) {
    if (error instanceof MappingError) return undefined;
    throw error;
  }
}

/**
 * The order in which branches are tried. Of several records, the one that knows most of the given fields comes first:
 * unknown fields would be dropped. Text is tried as a long last: "0049" is rather a string than a number.
 */
function byResemblance(branches: readonly AvroNode[], value: unknown): readonly AvroNode[] {
  if (typeof value === 'string') return branches.toSorted((left, right) => isLong(left) - isLong(right));
  if (typeof value !== 'object' || value === null) return branches;
  const known = (node: AvroNode): number =>
    node.kind === 'record' ? node.fields.filter(({ name }) => Object.hasOwn(value, name)).length : 0;
  return branches.toSorted((left, right) => known(right) - known(left));
}

function isLong(node: AvroNode): number {
  return Number(node.kind === 'long');
}

function within<T>(step: string | number, convert: () => T): T {
  try {
    return convert();
  } catch (error) {
    throw at(error, step);
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new MappingError('must be an object');
}

function base64(value: string): Buffer {
  const decoded = Buffer.from(value, 'base64');
  // Buffer.from skips what it does not know; only text that comes back unchanged was base64.
  if (decoded.toString('base64') !== value) throw new MappingError('must be base64');
  return decoded;
}

function sized(value: Buffer, size: number): Buffer {
  if (value.length !== size) throw new MappingError(`must be base64 of ${size} bytes`);
  return value;
}

function uuid(value: string, binary: boolean): string | Buffer {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value)) throw new MappingError('must be a UUID');
  return binary ? Buffer.from(value.replaceAll('-', ''), 'hex') : value;
}
