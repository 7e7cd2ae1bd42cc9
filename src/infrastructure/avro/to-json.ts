import { formatDate, formatTime, formatTimestamp } from './calendar.ts';
import { at, MappingError } from './mapping-error.ts';
import { formatDecimal, formatDuration, formatUuid, shortestFloat } from './numbers.ts';
import { type AvroNode, isScalar, type RecordNode, type ScalarNode } from './schema-model.ts';

/**
 * Turns a decoded Avro value into the receiver's form, in place where it can: the caller gives the value away.
 * Throws `MappingError` where JSON has no such value (NaN, infinities, times outside the years 0000 to 9999).
 */
export type ToJson = (value: unknown) => unknown;

/** Compiles the mapping once per schema; values that are the same in JSON are not touched at all. */
export function compileToJson(node: AvroNode): ToJson {
  return compile(node, new Map()) ?? ((value) => value);
}

/** What a part of a value needs; null: nothing, it is JSON already. */
type Conversion = ToJson | null;
type Open = Map<AvroNode, ToJson>;

function compile(node: AvroNode, open: Open): Conversion {
  if (isScalar(node)) return scalarToJson(node);
  switch (node.kind) {
    case 'enum':
      return null;
    case 'array':
      return arrayToJson(compile(node.items, open));
    case 'map':
      return mapToJson(compile(node.values, open));
    case 'record':
      return recordToJson(node, open);
    case 'union':
      return unionToJson(node.branches, open);
  }
}

function scalarToJson(node: ScalarNode): Conversion {
  switch (node.kind) {
    case 'null':
    case 'boolean':
    case 'int':
    case 'string':
      return null;
    case 'long':
      return (value) => (typeof value === 'bigint' ? value.toString() : value);
    case 'float':
      return (value) => shortestFloat(finite(value));
    case 'double':
      return finite;
    case 'bytes':
    case 'fixed':
      return (value) => bytes(value).toString('base64');
    case 'decimal':
      return (value) => formatDecimal(bytes(value), node.scale);
    case 'date':
      return (value) => formatDate(Number(value));
    case 'time':
      return (value) => formatTime(Number(value), node.digits);
    case 'timestamp':
      return (value) => formatTimestamp(long(value), node.digits, node.local);
    case 'uuid':
      return node.binary ? (value) => formatUuid(bytes(value)) : null;
    case 'duration':
      return (value) => formatDuration(bytes(value));
  }
}

function arrayToJson(convert: Conversion): Conversion {
  if (convert === null) return null;
  return (value) => {
    const items = value as unknown[];
    let index = 0;
    try {
      for (; index < items.length; index += 1) items[index] = convert(items[index]);
    } catch (error) {
      throw at(error, index);
    }
    return items;
  };
}

function mapToJson(convert: Conversion): Conversion {
  return convert === null ? null : (value) => convertEntries(value as Record<string, unknown>, convert);
}

function convertEntries(entries: Record<string, unknown>, convert: ToJson): Record<string, unknown> {
  for (const key of Object.keys(entries)) {
    try {
      entries[key] = convert(entries[key]);
    } catch (error) {
      throw at(error, key);
    }
  }
  return entries;
}

function recordToJson(node: AvroNode & RecordNode, open: Open): Conversion {
  const known = open.get(node);
  if (known !== undefined) return known;
  const fields: { name: string; convert: ToJson }[] = [];
  const convertRecord: ToJson = (value) => convertFields(value as Record<string, unknown>, fields);
  // A record that contains itself finds this entry; its list of fields is complete by the time it runs.
  open.set(node, convertRecord);
  for (const { name, node: fieldNode } of node.fields) {
    const convert = compile(fieldNode, open);
    if (convert !== null) fields.push({ name, convert });
  }
  return convertRecord;
}

function convertFields(
  record: Record<string, unknown>,
  fields: readonly { name: string; convert: ToJson }[],
): Record<string, unknown> {
  for (const { name, convert } of fields) {
    try {
      record[name] = convert(record[name]);
    } catch (error) {
      throw at(error, name);
    }
  }
  return record;
}

/** Decoded unions are null or `{ <branch>: value }`: the receiver gets the bare value. */
function unionToJson(branches: readonly AvroNode[], open: Open): ToJson {
  const conversions = new Map(branches.map((branch) => [branch.branch, compile(branch, open)]));
  return (value) => {
    if (value === null) return null;
    for (const branch in value as Record<string, unknown>) {
      const inner = (value as Record<string, unknown>)[branch];
      const convert = conversions.get(branch) ?? null;
      return convert === null ? inner : convert(inner);
    }
    throw new MappingError('is a union without a value');
  };
}

function finite(value: unknown): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new MappingError(`is ${number}, which JSON cannot express`);
  return number;
}

function bytes(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return value;
  throw new MappingError('is not bytes');
}

function long(value: unknown): number | bigint {
  return typeof value === 'bigint' ? value : Number(value);
}
