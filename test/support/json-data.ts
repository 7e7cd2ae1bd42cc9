import fc from 'fast-check';
import { type AvroNode, isScalar, type ScalarNode } from '../../src/infrastructure/avro/schema-model.ts';

/** Any data in the receiver's form that a schema allows. Not for schemas that contain themselves. */
export function anyDataOf(node: AvroNode): fc.Arbitrary<unknown> {
  if (isScalar(node)) return anyScalar(node);
  switch (node.kind) {
    case 'enum':
      return fc.constantFrom(...node.symbols);
    case 'array':
      return fc.array(anyDataOf(node.items), { maxLength: 3 });
    case 'map':
      return fc.dictionary(
        fc.string({ maxLength: 5 }).filter((key) => key !== '__proto__'),
        anyDataOf(node.values),
        {
          maxKeys: 3,
          noNullPrototype: true,
        },
      );
    case 'union':
      return fc.oneof(...node.branches.map(anyDataOf));
    case 'record':
      return fc.record(Object.fromEntries(node.fields.map((field) => [field.name, anyDataOf(field.node)])), {
        noNullPrototype: true,
      });
  }
}

const instant = fc.integer({ min: -2_208_988_800_000, max: 253_402_300_799_999 });
const digits = (count: number) =>
  fc.integer({ min: 0, max: 10 ** count - 1 }).map((n) => String(n).padStart(count, '0'));

function anyScalar(node: ScalarNode): fc.Arbitrary<unknown> {
  switch (node.kind) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'int':
      return fc.integer();
    case 'long':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(asLong);
    case 'float':
      return fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => Number(value.toPrecision(6)) + 0);
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 20 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 }).map(asBase64);
    case 'fixed':
      return fc.uint8Array({ minLength: node.size, maxLength: node.size }).map(asBase64);
    case 'decimal':
      return fc
        .bigInt({ min: 1n - 10n ** BigInt(node.precision), max: 10n ** BigInt(node.precision) - 1n })
        .map(asDecimal(node.scale));
    case 'date':
      return instant.map((ms) => new Date(ms).toISOString().slice(0, 10));
    case 'time':
      return fc
        .tuple(instant, digits(node.digits))
        .map(([ms, rest]) => `${new Date(ms).toISOString().slice(11, 19)}.${rest}`);
    case 'timestamp':
      return fc
        .tuple(instant, digits(node.digits))
        .map(([ms, rest]) => `${new Date(ms).toISOString().slice(0, 19)}.${rest}${node.local ? '' : 'Z'}`);
    case 'uuid':
      return fc.uuid();
    case 'duration':
      return fc.tuple(fc.nat(), fc.nat(), fc.nat()).map(([months, days, ms]) => asDuration(months, days, ms));
  }
}

function asLong(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
}

function asBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function asDecimal(scale: number): (value: bigint) => string {
  return (value) => {
    const text = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
    const sign = value < 0n ? '-' : '';
    return scale === 0 ? sign + text : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
  };
}

function asDuration(months: number, days: number, ms: number): string {
  const date = (months > 0 ? `${months}M` : '') + (days > 0 ? `${days}D` : '');
  return `P${date}${ms > 0 || date === '' ? `T${ms / 1000}S` : ''}`;
}
