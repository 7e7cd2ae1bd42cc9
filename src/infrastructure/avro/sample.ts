import { type AvroField, type AvroNode, isScalar, type RecordNode, type ScalarNode } from './schema-model.ts';

/**
 * A sample of `data` in the receiver's form, always the same for the same schema: each field's `example` attribute
 * where it has one, otherwise a value that its type allows.
 */
export function sampleOf(node: RecordNode): Record<string, unknown> {
  return recordSample(node, []);
}

function recordSample(node: RecordNode, open: readonly RecordNode[]): Record<string, unknown> {
  const inner = [...open, node];
  return Object.fromEntries(node.fields.map((field) => [field.name, fieldSample(field, inner)]));
}

function fieldSample(field: AvroField, open: readonly RecordNode[]): unknown {
  if (field.example !== undefined) return field.example;
  if (field.node.kind === 'string') return textFor(field.name);
  return sampleFor(field.node, open);
}

function sampleFor(node: AvroNode, open: readonly RecordNode[]): unknown {
  if (isScalar(node)) return scalarSample(node);
  switch (node.kind) {
    case 'array':
      return contains(node.items, open) ? [] : [sampleFor(node.items, open)];
    case 'map':
      return contains(node.values, open) ? {} : { key: sampleFor(node.values, open) };
    case 'record':
      return recordSample(node, open);
    case 'union':
      return sampleFor(bestBranch(node.branches, open), open);
    case 'enum':
      return node.symbols[0];
  }
}

/** The first branch with a value; null where a record would contain itself for ever. */
function bestBranch(branches: readonly AvroNode[], open: readonly RecordNode[]): AvroNode {
  const finite = branches.filter((branch) => !contains(branch, open));
  return finite.find(({ kind }) => kind !== 'null') ?? finite[0] ?? { kind: 'null', branch: 'null' };
}

function contains(node: AvroNode, open: readonly RecordNode[]): boolean {
  return node.kind === 'record' && open.includes(node);
}

function scalarSample(node: ScalarNode): unknown {
  switch (node.kind) {
    case 'null':
      return null;
    case 'boolean':
      return true;
    case 'int':
    case 'long':
      return 3;
    case 'float':
    case 'double':
      return 0.5;
    case 'string':
      return 'text';
    case 'bytes':
      return Buffer.from('sample').toString('base64');
    case 'fixed':
      return Buffer.alloc(node.size).toString('base64');
    case 'decimal':
      return node.scale === 0 ? '0' : `0.${'0'.repeat(node.scale)}`;
    case 'date':
      return '2026-01-19';
    case 'time':
      return `10:30:00.${'0'.repeat(node.digits)}`;
    case 'timestamp':
      return `2026-01-19T10:30:00.${'0'.repeat(node.digits)}${node.local ? '' : 'Z'}`;
    case 'uuid':
      return 'f67f165d-0d1e-4eb7-81e6-3494a260dcd4';
    case 'duration':
      return 'P1D';
  }
}

/** Text that suits the name of a field: the catalogue shows samples to people. */
function textFor(name: string): string {
  if (/(^|_)(id|reference)$/.test(name)) return 'f67f165d-0d1e-4eb7-81e6-3494a260dcd4';
  if (/email/.test(name)) return 'ada@example.com';
  if (/(^|_)country/.test(name)) return 'DE';
  if (/(^|_)(url|uri|link)$/.test(name)) return 'https://example.com/';
  if (/currency/.test(name)) return 'EUR';
  return name.replaceAll('_', ' ');
}
