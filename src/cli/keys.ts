import { parseArgs } from 'node:util';
import { readConfig } from '../config.ts';
import { API_SCOPES, isApiScope } from '../domain/api-key.ts';
import { isTenantId } from '../domain/tenant.ts';
import { isStorableText } from '../domain/text.ts';
import { listApiKeys, revokeApiKey } from '../infrastructure/postgres/api-key-store.ts';
import { type Database, openDatabase } from '../infrastructure/postgres/database.ts';
import { issueApiKey } from '../infrastructure/postgres/issue-api-key.ts';
import { checkMigrations } from '../infrastructure/postgres/migrations.ts';
import { createLogger } from '../infrastructure/telemetry/logger.ts';
import type { Command } from './command.ts';

const USAGE = `posthorn keys create --tenant T --name N [--scope S]… [--json]
posthorn keys list [--tenant T] [--json]
posthorn keys revoke KEY_ID

API keys of tenants. Uses POSTHORN_DATABASE_URL.

  --tenant T   the tenant: the ce_tenantid of its events
  --name N     what people call the key
  --scope S    what the key may do: ${API_SCOPES.join(', ')}; all of them unless given
  --json       for programs; create prints {"api_key","key_id","tenant_id","name"}

The key is shown once, by create. revoke takes the key id and ends the key at once.
`;

/** `posthorn keys`: make, list and revoke the API keys of tenants. */
export const keysCommand: Command = {
  name: 'keys',
  summary: 'create, list and revoke API keys',
  usage: USAGE,
  run: async (args) => {
    const request = readRequest(args);
    if (typeof request === 'string') {
      console.error(`${request}\n\n${USAGE}`);
      return 2;
    }
    const config = readConfig();
    const database = openDatabase({ url: config.databaseUrl, poolSize: 1, log: createLogger(config.logLevel) });
    try {
      return await runOn(database, request);
    } finally {
      await database.close();
    }
  },
};

type Request =
  | {
      readonly action: 'create';
      readonly tenant: string;
      readonly name: string;
      readonly scopes: readonly string[];
      readonly json: boolean;
    }
  | { readonly action: 'list'; readonly tenant: string | null; readonly json: boolean }
  | { readonly action: 'revoke'; readonly id: string };

/** What is asked for, or what is wrong with it. */
function readRequest(args: readonly string[]): Request | string {
  const parsed = parse(args);
  if (typeof parsed === 'string') return parsed;
  const { values, positionals } = parsed;
  const [action = '', id, ...rest] = positionals;
  if (rest.length > 0 || (id !== undefined && action !== 'revoke')) return 'too many arguments';
  const { tenant = null, name = '', scope = [], json = false } = values;
  if (tenant !== null && !isTenantId(tenant)) return '--tenant must be 1 to 128 of letters, digits and . _ : -';
  switch (action) {
    case 'create':
      return createRequest({ tenant, name, scopes: scope, json });
    case 'list':
      return { action, tenant, json };
    case 'revoke':
      return id === undefined ? 'revoke needs the id of a key' : { action, id };
    default:
      return `keys needs one of create, list, revoke`;
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        tenant: { type: 'string' },
        name: { type: 'string' },
        scope: { type: 'string', multiple: true },
        json: { type: 'boolean' },
      },
    });
  } catch (error) {
    // parseArgs throws for nothing but wrong arguments, in words for people.
    return error instanceof Error ? error.message : 'wrong arguments';
  }
}

function createRequest(given: {
  tenant: string | null;
  name: string;
  scopes: readonly string[];
  json: boolean;
}): Request | string {
  const { tenant, name, scopes, json } = given;
  if (tenant === null) return 'create needs --tenant';
  if (name === '' || name.length > 200 || !isStorableText(name)) return 'create needs --name, at most 200 characters';
  const unknown = scopes.find((scope) => !isApiScope(scope));
  if (unknown !== undefined) return `--scope must be one of ${API_SCOPES.join(', ')}`;
  return { action: 'create', tenant, name, scopes, json };
}

async function runOn(database: Database, request: Request): Promise<number> {
  if ((await checkMigrations(database)).length > 0) {
    console.error('The database is not set up: run posthorn bootstrap first.');
    return 1;
  }
  switch (request.action) {
    case 'create':
      return create(database, request);
    case 'list':
      return list(database, request);
    case 'revoke':
      return revoke(database, request.id);
  }
}

async function create(database: Database, request: Extract<Request, { action: 'create' }>): Promise<number> {
  const scopes = request.scopes.length === 0 ? API_SCOPES : request.scopes.filter(isApiScope);
  const issued = await issueApiKey(database, { tenantId: request.tenant, name: request.name, scopes });
  const { apiKey, keyId, tenantId, name } = issued;
  if (request.json) console.log(JSON.stringify({ api_key: apiKey, key_id: keyId, tenant_id: tenantId, name }));
  else console.log(`API key of tenant ${tenantId} (${name}), shown only now:\n\n  ${apiKey}\n\nIts id is ${keyId}.`);
  return 0;
}

async function list(database: Database, request: Extract<Request, { action: 'list' }>): Promise<number> {
  const keys = (await listApiKeys(database, request.tenant)).map((key) => ({
    key_id: key.id,
    tenant_id: key.tenantId,
    name: key.name,
    scopes: key.scopes,
    created_at: key.createdAt,
    last_used_at: key.lastUsedAt,
    revoked_at: key.revokedAt,
  }));
  if (request.json) console.log(JSON.stringify(keys));
  else if (keys.length === 0) console.log('There are no keys.');
  else console.table(keys.map((key) => ({ ...key, scopes: key.scopes.join(' ') })));
  return 0;
}

async function revoke(database: Database, id: string): Promise<number> {
  if (await revokeApiKey(database, id)) {
    console.log(`Key ${id} is revoked.`);
    return 0;
  }
  console.error(`There is no key ${id} that could be revoked.`);
  return 1;
}
