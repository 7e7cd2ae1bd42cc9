import { type AvroNode, isScalar, type ScalarNode } from './schema-model.ts';

/**
 * The first place at which two schemas give the same bytes another meaning, as a sentence, or null. Avro (and so every
 * registry) ignores logical types when it compares versions: a decimal whose scale goes from 2 to 4 passes as compatible,
 * and every amount written before would be read as a hundredth of itself.
 */
export function changedMeaning(before: AvroNode, after: AvroNode, isChange: IsChange): string | null {
  return compare(before, after, { isChange, path: '', open: [] });
}

/** Whether going from one meaning to another counts; `plain` is a type without logical type. */
export type IsChange = (before: string, after: string) => boolean;

/** For a registry: receivers would get another form of the same field. */
export const anyChange: IsChange = (before, after) => before !== after;

/** For reading: values without logical type are taken as the reader's, as Avro asks; two different ones never agree. */
export const contradiction: IsChange = (before, after) => before !== after && before !== 'plain' && after !== 'plain';

interface Place {
  readonly isChange: IsChange;
  readonly path: string;
  readonly open: readonly AvroNode[];
}

function compare(before: AvroNode, after: AvroNode, place: Place): string | null {
  if (place.open.includes(after)) return null;
  const inner = { ...place, open: [...place.open, after] };
  if (before.kind === 'union' || after.kind === 'union') return compareBranches(before, after, inner);
  if (before.kind === 'array' && after.kind === 'array') return compare(before.items, after.items, inner);
  if (before.kind === 'map' && after.kind === 'map') return compare(before.values, after.values, inner);
  if (before.kind === 'record' && after.kind === 'record') {
    return firstOf(after.fields, ({ name, node }) => {
      const earlier = before.fields.find((field) => field.name === name);
      const path = place.path === '' ? name : `${place.path}.${name}`;
      return earlier === undefined ? null : compare(earlier.node, node, { ...inner, path });
    });
  }
  if (!isScalar(before) || !isScalar(after)) return null;
  const [from, to] = [meaningOf(before), meaningOf(after)];
  return place.isChange(from, to) ? `${place.path} changes from ${from} to ${to}` : null;
}

/** Unions (and a type that becomes one) are compared branch by branch, by the names of the branches. */
function compareBranches(before: AvroNode, after: AvroNode, place: Place): string | null {
  const earlier = before.kind === 'union' ? before.branches : [before];
  const later = after.kind === 'union' ? after.branches : [after];
  return firstOf(later, (branch) => {
    const same = earlier.find((candidate) => candidate.branch === branch.branch);
    return same === undefined ? null : compare(same, branch, place);
  });
}

function meaningOf(node: ScalarNode): string {
  switch (node.kind) {
    case 'decimal':
      return `decimal with ${node.scale} decimals`;
    case 'timestamp':
      return `${node.local ? 'local ' : ''}timestamp with ${node.digits} decimals`;
    case 'time':
      return `time with ${node.digits} decimals`;
    case 'date':
    case 'duration':
      return node.kind;
    case 'uuid':
      return node.binary ? 'uuid' : 'plain'; // As text, a UUID reads the same with and without its logical type.
    case 'null':
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'string':
    case 'bytes':
    case 'fixed':
      return 'plain';
  }
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}
