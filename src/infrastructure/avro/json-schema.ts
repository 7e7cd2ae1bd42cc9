import { type AvroField, type AvroNode, isScalar, type RecordNode, type ScalarNode } from './schema-model.ts';

/** A JSON Schema (2020-12) or a part of one. */
export type JsonSchema = Record<string, unknown>;

/**
 * JSON Schema of an event's `data` in the receiver's form. Every field is required, because a rendered event always
 * carries every field of its schema; unknown fields are allowed, because newer versions add some.
 */
export function toJsonSchema(node: AvroNode & RecordNode): JsonSchema {
  const definitions: Record<string, JsonSchema> = {};
  const schema = recordSchema(node, { open: [node], definitions });
  const own = { $schema: 'https://json-schema.org/draft/2020-12/schema', title: node.name };
  const recursive = Object.keys(definitions).length > 0;
  return { ...own, ...schema, ...(recursive ? { $defs: { ...definitions, [node.name]: schema } } : {}) };
}

interface Context {
  /** Records that are being written: meeting one again means that the schema is recursive. */
  readonly open: readonly AvroNode[];
  readonly definitions: Record<string, JsonSchema>;
}

function schemaOf(node: AvroNode, context: Context): JsonSchema {
  if (isScalar(node)) return scalarSchema(node);
  switch (node.kind) {
    case 'array':
      return { type: 'array', items: schemaOf(node.items, context) };
    case 'map':
      return { type: 'object', additionalProperties: schemaOf(node.values, context) };
    case 'enum':
      return { type: 'string', enum: [...node.symbols] };
    case 'union':
      return unionSchema(node.branches, context);
    case 'record':
      return nestedRecordSchema(node, context);
  }
}

function scalarSchema(node: ScalarNode): JsonSchema {
  switch (node.kind) {
    case 'null':
    case 'boolean':
    case 'string':
      return { type: node.kind };
    case 'int':
      return { type: 'integer', minimum: -2_147_483_648, maximum: 2_147_483_647 };
    case 'long':
      return { type: ['integer', 'string'], pattern: '^-?\\d{1,19}$' };
    case 'float':
    case 'double':
      return { type: 'number' };
    case 'bytes':
      return base64Schema({});
    case 'fixed':
      return base64Schema({ minLength: base64Length(node.size), maxLength: base64Length(node.size) });
    case 'decimal':
      return { type: 'string', pattern: decimalPattern(node.scale) };
    case 'date':
      return { type: 'string', format: 'date' };
    case 'time':
      return { type: 'string', pattern: '^\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?$' };
    case 'timestamp':
      if (!node.local) return { type: 'string', format: 'date-time' };
      return { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?$' };
    case 'uuid':
      return { type: 'string', format: 'uuid' };
    case 'duration':
      return { type: 'string', pattern: '^P(?=.)(\\d+M)?(\\d+D)?(T\\d+(\\.\\d{1,3})?S)?$' };
  }
}

function base64Schema(limits: JsonSchema): JsonSchema {
  return { type: 'string', contentEncoding: 'base64', ...limits };
}

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

function decimalPattern(scale: number): string {
  return scale === 0 ? '^-?\\d+$' : `^-?\\d+\\.\\d{${scale}}$`;
}

function recordSchema(node: RecordNode, context: Context): JsonSchema {
  return {
    type: 'object',
    ...described(node.doc),
    required: node.fields.map(({ name }) => name),
    properties: Object.fromEntries(node.fields.map((field) => [field.name, fieldSchema(field, context)])),
  };
}

function fieldSchema(field: AvroField, context: Context): JsonSchema {
  const schema = schemaOf(field.node, context);
  return { ...schema, ...described(field.doc), ...(field.example === undefined ? {} : { examples: [field.example] }) };
}

function nestedRecordSchema(node: AvroNode & RecordNode, context: Context): JsonSchema {
  if (context.open.includes(node)) {
    // The record is written in full under $defs by whoever opened it; here it is only pointed at.
    context.definitions[node.name] ??= {};
    return { $ref: `#/$defs/${node.name}` };
  }
  const schema = recordSchema(node, { ...context, open: [...context.open, node] });
  if (context.definitions[node.name] !== undefined) context.definitions[node.name] = schema;
  return schema;
}

/** A nullable type is its own schema with `null` added; other unions are a choice. */
function unionSchema(branches: readonly AvroNode[], context: Context): JsonSchema {
  const schemas = branches.filter(({ kind }) => kind !== 'null').map((branch) => schemaOf(branch, context));
  const [only] = schemas;
  const nullable = schemas.length < branches.length;
  if (only === undefined) return { type: 'null' };
  if (schemas.length === 1) return nullable ? orNull(only) : only;
  return { anyOf: nullable ? [...schemas, { type: 'null' }] : schemas };
}

function orNull(schema: JsonSchema): JsonSchema {
  const { type } = schema;
  if (type === undefined) return { anyOf: [schema, { type: 'null' }] };
  const symbols = schema['enum'];
  const choice = Array.isArray(symbols) ? { enum: [...symbols, null] } : {};
  return { ...schema, type: [...(Array.isArray(type) ? type : [type]), 'null'], ...choice };
}

function described(doc: string): JsonSchema {
  return doc === '' ? {} : { description: doc };
}
