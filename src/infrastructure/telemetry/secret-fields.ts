const CENSORED = '[secret]';

/** Names of fields whose values never reach a log line, in any spelling that our code or a library uses. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  'secret',
  'secrets',
  'secretKey',
  'secret_key',
  'secretKeys',
  'encryptedSecrets',
  'apiKey',
  'api_key',
  'x-api-key',
  'authorization',
  'Authorization',
  'password',
  'sasl',
  'databaseUrl',
  'connectionString',
]);

/** Deeper than any line of ours; what lies deeper is left out rather than trusted. */
const MAX_DEPTH = 6;

/**
 * The same fields without secrets. Nothing is copied unless something has to go: a line of plain values, which is what
 * the hot path writes, costs one look at each name.
 */
export function withoutSecrets(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  let clean: Record<string, unknown> | null = null;
  for (const name in fields) {
    const value = fields[name];
    const censored = SECRET_FIELDS.has(name) && value !== null ? CENSORED : cleanValue(value, depth);
    if (censored === value) continue;
    clean ??= { ...fields };
    clean[name] = censored;
  }
  return clean ?? fields;
}

function cleanValue(value: unknown, depth: number): unknown {
  // Errors are for the serializer of errors, which comes here with what it made of them.
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if (depth >= MAX_DEPTH) return '[too deep]';
  if (Array.isArray(value)) return cleanList(value, depth);
  return isRecord(value) ? withoutSecrets(value, depth + 1) : value;
}

function cleanList(values: readonly unknown[], depth: number): readonly unknown[] {
  const clean = values.map((value) => cleanValue(value, depth + 1));
  return clean.some((value, index) => value !== values[index]) ? clean : values;
}

function isRecord(value: object): value is Record<string, unknown> {
  return !Buffer.isBuffer(value);
}
