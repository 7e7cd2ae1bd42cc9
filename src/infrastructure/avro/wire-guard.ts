import type { types } from 'avsc';
import type { AvroType } from './avro-type.ts';

/**
 * Checks that bytes are one value of a writer's schema, without making anything of them. avsc trusts the counts that it
 * reads: five bytes that claim 2^40 items keep it in a loop until memory ends, and it reads past the end before it
 * notices. So every foreign value passes here first.
 */
export type WireGuard = (value: Buffer) => void;

/** Items of one value, all arrays and maps together: more cannot fit into the largest body that is sent anyway. */
const MAX_ITEMS = 1_048_576;
/** Records inside records (only a recursive schema can do that): far more than people nest, far less than the stack holds. */
const MAX_DEPTH = 128;

/** Compiles the check for a writer's schema. The check throws an error whose message is a sentence. */
export function compileWireGuard(writer: AvroType): WireGuard {
  const check = compile(writer, new Map());
  return (value) => {
    const cursor: Cursor = { bytes: value, position: 0, items: 0, depth: 0 };
    check(cursor);
    if (cursor.position < value.length) throw new Error(`${value.length - cursor.position} bytes are left over`);
  };
}

interface Cursor {
  readonly bytes: Buffer;
  position: number;
  items: number;
  depth: number;
}

type Check = (cursor: Cursor) => void;
type Open = Map<AvroType, Check>;

function compile(type: AvroType, open: Open): Check {
  switch (type.typeName) {
    case 'null':
      return () => {};
    case 'boolean':
      return (cursor) => skip(cursor, 1);
    case 'int':
    case 'long':
    case 'abstract:long':
      return (cursor) => void readLong(cursor);
    case 'float':
      return (cursor) => skip(cursor, 4);
    case 'double':
      return (cursor) => skip(cursor, 8);
    case 'string':
    case 'bytes':
      return (cursor) => skip(cursor, readLong(cursor));
    default:
      return compileComplex(type, open);
  }
}

function compileComplex(type: AvroType, open: Open): Check {
  switch (type.typeName) {
    case 'fixed': {
      const { size } = type as types.FixedType;
      return (cursor) => skip(cursor, size);
    }
    case 'enum': {
      const count = (type as types.EnumType).symbols.length;
      return (cursor) => void readIndex(cursor, count);
    }
    case 'union:wrapped':
    case 'union:unwrapped':
      return compileUnion((type as types.WrappedUnionType).types, open);
    case 'array':
      return compileBlocks(compile((type as types.ArrayType).itemsType, open));
    case 'map':
      return compileMap(compile((type as types.MapType).valuesType as AvroType, open));
    case 'record':
    case 'error':
      return compileRecord(type as types.RecordType, open);
    default:
      throw new Error(`the type ${type.typeName} is not known`);
  }
}

function compileUnion(branches: readonly AvroType[], open: Open): Check {
  const checks = branches.map((branch) => compile(branch, open));
  return (cursor) => checks[readIndex(cursor, checks.length)]?.(cursor);
}

function compileRecord(type: types.RecordType, open: Open): Check {
  const known = open.get(type);
  if (known !== undefined) return known;
  const checks: Check[] = [];
  const checkRecord: Check = (cursor) => {
    cursor.depth += 1;
    if (cursor.depth > MAX_DEPTH) throw new Error(`records are nested more than ${MAX_DEPTH} deep`);
    for (const check of checks) check(cursor);
    cursor.depth -= 1;
  };
  open.set(type, checkRecord);
  for (const field of type.fields) checks.push(compile(field.type, open));
  return checkRecord;
}

function compileMap(checkValue: Check): Check {
  return compileBlocks((cursor) => {
    const length = readLong(cursor);
    const start = cursor.position;
    skip(cursor, length);
    // Decoded maps are plain objects, where this one key would vanish.
    if (length === 9 && cursor.bytes.toString('latin1', start, cursor.position) === '__proto__') {
      throw new Error('a map has the key __proto__');
    }
    checkValue(cursor);
  });
}

/** Arrays and maps: blocks of a count (negative: followed by the block's size in bytes) and items, until a count of 0. */
function compileBlocks(checkItem: Check): Check {
  return (cursor) => {
    for (let count = readLong(cursor); count !== 0; count = readLong(cursor)) {
      if (count < 0) readLong(cursor);
      const items = Math.abs(count);
      cursor.items += items;
      if (cursor.items > MAX_ITEMS)
        throw new Error(`it claims ${cursor.items} items; at most ${MAX_ITEMS} are accepted`);
      for (let item = 0; item < items; item += 1) checkItem(cursor);
    }
  };
}

function readIndex(cursor: Cursor, count: number): number {
  const index = readLong(cursor);
  if (index >= 0 && index < count) return index;
  throw new Error(`it names choice ${index} of ${count}`);
}

function skip(cursor: Cursor, length: number): void {
  cursor.position += length;
  if (length < 0 || cursor.position > cursor.bytes.length) throw new Error('it ends in the middle of a value');
}

/** A zigzag varint, exact up to 2^53: enough for counts and lengths, and values are not looked at. */
function readLong(cursor: Cursor): number {
  const { bytes } = cursor;
  let value = 0;
  for (let index = 0, factor = 1; index < 10; index += 1, factor *= 128) {
    const byte = bytes[cursor.position];
    if (byte === undefined) throw new Error('it ends in the middle of a value');
    cursor.position += 1;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
  throw new Error('it has a number of more than 64 bits');
}
