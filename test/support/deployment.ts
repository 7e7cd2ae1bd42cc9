import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admin } from 'kafkajs';
import { ApiClient, OpenApiContract } from './api-client.ts';
import { type Environment, type PosthornProcess, runPosthorn, startServe } from './posthorn-process.ts';
import { rawKafka } from './raw-clients.ts';
import { testCertificates } from './receiver.ts';
import { testServers } from './servers.ts';
import { createEmptyDatabase } from './test-database.ts';
import { unique } from './unique.ts';
import { waitUntil } from './wait-until.ts';

export interface Tenant {
  readonly id: string;
  readonly apiKey: string;
}

export interface WebhookAnswer {
  readonly id: string;
  readonly secret: string;
}

/** A Posthorn of its own on the shared servers: database, topics and groups are used by nobody else. */
export interface Deployment extends AsyncDisposable {
  readonly prefix: string;
  readonly env: Environment;
  run(args: readonly string[], env?: Environment): ReturnType<typeof runPosthorn>;
  bootstrap(): Promise<void>;
  /** Starts `serve` (all roles unless given) without waiting for it; it is ended at the latest with the deployment. */
  start(roles?: readonly string[] | null, env?: Environment): PosthornProcess;
  /** The same, and waits until all of it serves. */
  serve(roles?: readonly string[] | null, env?: Environment): Promise<PosthornProcess>;
  createTenant(name?: string): Promise<Tenant>;
  /** Resolves once the groups have resolved and committed everything that is in their topics, retries included. */
  settled(timeoutMs?: number): Promise<void>;
}

/** Prepares names, certificates and an empty database; nothing of Posthorn has run yet. */
export async function createDeployment(settings: Environment = {}): Promise<Deployment> {
  const { kafkaBrokers, schemaRegistryUrl } = testServers();
  const database = await createEmptyDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-e2e-'));
  const prefix = `${unique('e2e')}.`;
  const caFile = join(folder, 'ca.pem');
  writeFileSync(caFile, (await testCertificates()).ca);
  const env: Environment = {
    POSTHORN_KAFKA_BROKERS: kafkaBrokers.join(','),
    POSTHORN_SCHEMA_REGISTRY_URL: schemaRegistryUrl,
    POSTHORN_DATABASE_URL: database.url,
    POSTHORN_TOPIC_PREFIX: prefix,
    POSTHORN_SECRET_KEYS: `test:${randomBytes(32).toString('base64')}`,
    POSTHORN_API_PORT: '0',
    POSTHORN_OPS_PORT: '0',
    POSTHORN_EGRESS_ALLOW_CIDRS: '127.0.0.0/8,::1/128',
    POSTHORN_EGRESS_PORTS: '*',
    POSTHORN_EGRESS_CA_FILE: caFile,
    ...settings,
  };
  const processes: PosthornProcess[] = [];
  const admin = rawKafka(kafkaBrokers.join(',')).admin();
  await admin.connect();
  const run = (args: readonly string[], more: Environment = {}) => runPosthorn(args, folder, { ...env, ...more });
  const start = (roles: readonly string[] | null = null, more: Environment = {}) => {
    const started = startServe(roles, folder, { ...env, ...more });
    processes.push(started);
    return started;
  };
  return {
    prefix,
    env,
    run,
    start,
    bootstrap: async () => void (await succeed(run(['bootstrap']))),
    serve: async (roles = null, more = {}) => {
      const started = start(roles, more);
      await started.ready();
      return started;
    },
    createTenant: async (name = 'tenant') => {
      const id = unique(name);
      const { stdout } = await succeed(run(['keys', 'create', '--tenant', id, '--name', 'e2e', '--json']));
      return { id, apiKey: (JSON.parse(stdout) as { api_key: string }).api_key };
    },
    settled: async (timeoutMs = 30_000) => {
      await waitUntil(() => isSettled(admin, prefix), { timeoutMs, what: 'that everything is resolved' });
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(processes.map((one) => one.stop('SIGKILL')));
      await admin.deleteTopics({ topics: (await admin.listTopics()).filter((topic) => topic.startsWith(prefix)) });
      await admin.disconnect();
      await database[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The same, bootstrapped. */
export async function deploy(settings: Environment = {}): Promise<Deployment> {
  const deployment = await createDeployment(settings);
  try {
    await deployment.bootstrap();
    return deployment;
  } catch (error) {
    await deployment[Symbol.asyncDispose]();
    throw error;
  }
}

/** The management API of a process as the tenant's programs use it. */
export async function apiOf(server: PosthornProcess, { apiKey }: Tenant): Promise<ApiClient> {
  const { apiUrl } = await server.ready();
  if (apiUrl === null) throw new Error('this process does not play the role api');
  return new ApiClient(apiUrl, apiKey, await OpenApiContract.of(apiUrl));
}

/** Subscribes as the documentation says and keeps the secret, which is shown only now. */
export async function createWebhook(api: ApiClient, eventType: string, url: string): Promise<WebhookAnswer> {
  const { status, body, text } = await api.post('/api/v1/webhooks/', { event_type: eventType, webhook_url: url });
  if (status !== 201) throw new Error(`no webhook: ${status} ${text}`);
  return { id: body.id, secret: body.secret_key };
}

async function succeed(running: ReturnType<typeof runPosthorn>) {
  const finished = await running;
  if (finished.code !== 0) throw new Error(`exit ${finished.code}:\n${finished.stdout}${finished.stderr}`);
  return finished;
}

/** In the order of the pipeline, twice: a record that moves on between two looks is met by the second round. */
async function isSettled(admin: Admin, prefix: string): Promise<boolean> {
  const topics = await admin.listTopics();
  const groups = [
    ['router', topics.filter((topic) => /^events\.[a-z_]+$/.test(topic))],
    ['delivery', ['deliveries', 'deliveries.overflow', 'deliveries.ready'].map((name) => prefix + name)],
    ['retry', topics.filter((topic) => topic.startsWith(`${prefix}deliveries.retry.`))],
  ] as const;
  for (const [role, inputs] of [...groups, ...groups]) {
    if (!(await isCaughtUp(admin, prefix + role, inputs))) return false;
  }
  return true;
}

async function isCaughtUp(admin: Admin, groupId: string, topics: readonly string[]): Promise<boolean> {
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
  for (const { topic, partitions } of committed) {
    const ends = new Map(
      (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]),
    );
    for (const { partition, offset } of partitions) {
      if (Math.max(0, Number(offset)) < (ends.get(partition) ?? 0)) return false;
    }
  }
  return true;
}
