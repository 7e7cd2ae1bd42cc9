import { SchemaRegistry as RegistryClient, SchemaType } from '@kafkajs/confluent-schema-registry';
import { AppError } from '../../domain/errors.ts';
import { anyChange, changedMeaning } from './meaning.ts';
import {
  askRegistry,
  parseRegistryUrl,
  type RegistryAddress,
  type RegistryRefusal,
  type RegistryRequest,
  unavailable,
  unexpectedAnswer,
} from './registry-api.ts';
import { parseAvroSchema } from './schema-model.ts';
import {
  type Ask,
  createWriterSchemas,
  fetchReferences,
  type LookUpResult,
  schemaText,
  type WriterSchema,
} from './writer-schemas.ts';

/** The schema registry. Everything rejects with `unavailable` while no registry answers as one. */
export interface SchemaRegistry {
  /** The schema that a value was written with; at once when it is cached. Ids that do not exist are remembered for 60 s. */
  writerSchema(id: number): WriterSchema | Promise<WriterSchema>;
  /** The id under which exactly this schema is registered. Rejects with `not_found` when it is not. */
  idOf(subject: string, schema: unknown): Promise<number>;
  /**
   * Registers a schema (again) and returns its id. The subject is set to `FULL_TRANSITIVE` first. Rejects with
   * `schema_incompatible` and the registry's own reason, or `bad_request` when the registry finds it invalid.
   */
  register(subject: string, schema: unknown): Promise<number>;
  /** Resolves when the registry answers. */
  ping(): Promise<void>;
}

export interface SchemaRegistryOptions {
  /** Base URL, with the base path; user and password in it are sent as basic authentication. */
  readonly url: string;
  /** Deadline of one request, milliseconds. */
  readonly timeoutMs?: number;
  readonly now?: () => number;
  /** Told of every question about an id that was not in memory. */
  readonly onLookUp?: (result: LookUpResult) => void;
}

const COMPATIBILITY = 'FULL_TRANSITIVE';

/** Connects to nothing by itself: the first question does. */
export function createSchemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  const address = parseRegistryUrl(options.url);
  const timeoutMs = options.timeoutMs ?? 5000;
  const ask = (request: RegistryRequest) => askRegistry(address, request, timeoutMs);
  const client = createClient(address, timeoutMs);
  return {
    writerSchema: createWriterSchemas(ask, options.now ?? Date.now, options.onLookUp),
    idOf: (subject, schema) => findId(client, address, { subject, text: JSON.stringify(schema) }),
    register: (subject, schema) => register(ask, subject, schema),
    ping: () => ping(ask),
  };
}

/** Any answer about a schema will do: that there is none with this id, too. */
async function ping(ask: Ask): Promise<void> {
  const answer = await ask({ method: 'GET', path: '/schemas/ids/1' });
  if (answer.kind === 'refused' && answer.status !== 404) throw unexpectedAnswer('asked for schema 1', answer);
}

async function register(ask: Ask, subject: string, schema: unknown): Promise<number> {
  const name = encodeURIComponent(subject);
  await refuseChangedMeaning(ask, subject, schema);
  const setLevel = () => ask({ method: 'PUT', path: `/config/${name}`, body: { compatibility: COMPATIBILITY } });
  // The level comes first, so that this very version is held to it. Some registries know no level of a subject that
  // does not exist yet: there it comes second.
  const level = await setLevel();
  const answer = await ask({
    method: 'POST',
    path: `/subjects/${name}/versions`,
    body: { schema: JSON.stringify(schema) },
  });
  if (answer.kind === 'refused') throw refusedRegistration(subject, answer);
  if (level.kind === 'refused') await setLevel();
  const { id } = answer.body;
  if (typeof id === 'number') return id;
  throw new AppError('unavailable', `the schema registry answered the registration of ${subject} without an id`);
}

/** What the registry does not look at. The newest version stands for all: each was held against the one before. */
async function refuseChangedMeaning(ask: Ask, subject: string, schema: unknown): Promise<void> {
  const answer = await ask({ method: 'GET', path: `/subjects/${encodeURIComponent(subject)}/versions/latest` });
  if (answer.kind === 'refused') return; // No version yet, or one that nobody can read: the registry decides alone.
  const referenced = await fetchReferences(ask, answer.body['references']);
  const latest: unknown = JSON.parse(schemaText(answer.body, subject));
  const before = parseAvroSchema(
    latest,
    referenced.map((text): unknown => JSON.parse(text)),
  );
  const change = changedMeaning(before, parseAvroSchema(schema), anyChange);
  if (change === null) return;
  const reason = `the meaning of ${change}, so values written before would be read wrongly`;
  throw new AppError('schema_incompatible', `the new version of ${subject} is not compatible: ${reason}`, {
    details: { subject, reason },
  });
}

function refusedRegistration(subject: string, answer: RegistryRefusal): AppError {
  const details = { subject, reason: answer.message };
  if (answer.status === 409) {
    return new AppError(
      'schema_incompatible',
      `the schema registry refuses the new version of ${subject}, because it is not compatible with an earlier one: ${answer.message}`,
      { details },
    );
  }
  if (answer.status === 422 || answer.status === 400) {
    return new AppError('bad_request', `the schema registry finds ${subject} invalid: ${answer.message}`, { details });
  }
  return unexpectedAnswer(`asked to register ${subject}`, answer);
}

type Middleware = NonNullable<ConstructorParameters<typeof RegistryClient>[0]['middlewares']>[number];

/** The client library, without its retries: callers wait and ask again in their own way. */
function createClient({ baseUrl, credentials }: RegistryAddress, timeoutMs: number): RegistryClient {
  const deadline: Middleware = () => ({
    prepareRequest: async (next) => (await next()).enhance({ timeout: timeoutMs }),
  });
  const auth = credentials === null ? {} : { auth: credentials };
  return new RegistryClient({ host: baseUrl, retry: { retries: 0 }, middlewares: [deadline], ...auth });
}

/** The library's look-up suffices here: whatever the failure, nobody loses an event over it. */
async function findId(
  client: RegistryClient,
  address: RegistryAddress,
  { subject, text }: { subject: string; text: string },
): Promise<number> {
  try {
    return await client.getRegistryIdBySchema(subject, { type: SchemaType.AVRO, schema: text });
  } catch (error) {
    if (error instanceof Error && error.name === 'ConfluentSchemaRegistryError') {
      const advice = 'run `posthorn bootstrap` or `posthorn schemas register`';
      throw new AppError('not_found', `this version of ${subject} is not in the schema registry; ${advice}`);
    }
    throw unavailable(address, `the look-up of ${subject} failed: ${String(error)}`, error);
  }
}
