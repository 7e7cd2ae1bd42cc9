import { randomBytes, randomUUID } from 'node:crypto';
import { API_SCOPES, type ApiScope } from '../../src/domain/api-key.ts';
import { createCatalogue } from '../../src/domain/catalogue.ts';
import { checkUrl } from '../../src/domain/destination.ts';
import { parseKeyRing } from '../../src/domain/secret-box.ts';
import type { SendResult, WebhookRequest } from '../../src/domain/send-result.ts';
import { createApiStores } from '../../src/infrastructure/postgres/api-stores.ts';
import { issueApiKey } from '../../src/infrastructure/postgres/issue-api-key.ts';
import { createSilentLogger } from '../../src/infrastructure/telemetry/logger.ts';
import type { ApiDependencies } from '../../src/processes/api/app.ts';
import { DEFAULT_LIMITS } from '../../src/processes/api/limits.ts';
import { createApiServer } from '../../src/processes/api/server.ts';
import { ApiClient, OpenApiContract } from './api-client.ts';
import { createTestDatabase, type TestDatabase } from './test-database.ts';
import { unique } from './unique.ts';

export interface ApiFixture extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly deps: ApiDependencies;
  readonly url: string;
  /** A client with the key of a tenant of its own. */
  readonly client: ApiClient;
  readonly tenantId: string;
  readonly apiKey: string;
  /** A key for this tenant. */
  createKey(tenantId: string, scopes?: readonly ApiScope[]): Promise<string>;
  /** A client of another, new tenant. */
  createClient(): Promise<ApiClient>;
}

/** Types that the catalogue of these tests knows. */
const KNOWN_TYPES = ['case.opened', 'case.resolved', 'screening.completed'] as const;

/** A management API on a free port over a database of its own; public destinations only, nothing is sent. */
export async function createApiFixture(overrides: Partial<ApiDependencies> = {}): Promise<ApiFixture> {
  const database = await createTestDatabase();
  const deps = { ...dependencies(database), ...overrides };
  const server = createApiServer(deps, { port: 0, host: '127.0.0.1', stopDeadlineMs: 5_000 });
  await server.start();
  const url = `http://127.0.0.1:${server.port}`;
  const contract = await OpenApiContract.of(url);
  const createKey = async (tenantId: string, scopes: readonly ApiScope[] = API_SCOPES) =>
    (await issueApiKey(database, { tenantId, name: 'test', scopes })).apiKey;
  const tenantId = unique('tenant');
  const apiKey = await createKey(tenantId);
  return {
    database,
    deps,
    url,
    tenantId,
    apiKey,
    client: new ApiClient(url, apiKey, contract),
    createKey,
    createClient: async () => new ApiClient(url, await createKey(unique('tenant')), contract),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A sender that answers each request with the same result and remembers the requests. */
export function recordingSender(result: SendResult) {
  const requests: WebhookRequest[] = [];
  const send = async (request: WebhookRequest) => {
    requests.push(request);
    return result;
  };
  return { requests, send };
}

/** A receiver's answer. */
export function responded(status: number): SendResult {
  const timings = { dnsUs: null, connectUs: null, tlsUs: null, firstByteUs: null, totalUs: 1 };
  return { kind: 'responded', status, headers: {}, body: Buffer.alloc(0), truncated: false, timings };
}

function dependencies(database: TestDatabase): ApiDependencies {
  return {
    stores: createApiStores(database),
    catalogue: createCatalogue(KNOWN_TYPES.map(eventType)),
    checkUrl: (raw) =>
      checkUrl(raw, { allowCidrs: [], allowHttp: false, allowIpLiterals: false, ports: [443, 8443], ownHosts: [] }),
    keyRing: parseKeyRing(`k1:${randomBytes(32).toString('base64')}`),
    randomBytes,
    randomUuid: randomUUID,
    send: recordingSender(responded(200)).send,
    userAgent: 'Posthorn/test',
    timeoutMs: 5_000,
    nowMs: Date.now,
    monotonicMs: () => performance.now(),
    limits: { ...DEFAULT_LIMITS, testDeliveries: { burst: 1_000, perSecond: 1_000 } },
    version: '0.0.0-test',
    log: createSilentLogger(),
    observe: () => undefined,
  };
}

function eventType(type: string) {
  return {
    type,
    recordName: `posthorn.events.${type}`,
    description: `What ${type} means`,
    avroSchema: {},
    jsonSchema: { type: 'object', properties: { id: { type: 'string' } } },
    sample: { id: 'abc' },
  };
}
