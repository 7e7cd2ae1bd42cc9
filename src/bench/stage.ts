import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { registerEventTypes } from '../cli/schemas.ts';
import { bootstrap } from '../compose/bootstrap.ts';
import { type Config, readConfigWith, readMachine } from '../config.ts';
import type { EventType } from '../domain/event-type.ts';
import { describeEventType } from '../infrastructure/avro/catalogue-files.ts';
import { openDatabase } from '../infrastructure/postgres/database.ts';
import { issueApiKey } from '../infrastructure/postgres/issue-api-key.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';
import { type LocalServers, startLocalServers } from '../local/local-servers.ts';
import { endProcess, forkScript, spawnRole } from './processes.ts';

export const BENCH_TENANT = 'bench';
export const BENCH_TYPE = 'bench.measured';

/** The event that is measured: one text of the wanted size. */
const SCHEMA = {
  type: 'record',
  namespace: 'posthorn.events.bench',
  name: 'Measured',
  doc: 'An event of the benchmark',
  fields: [{ name: 'payload', type: 'string', doc: 'As many characters as the scenario wants', example: 'x' }],
};

/** Everything that a benchmark runs against: servers, one process per role, a receiver. */
export interface Stage {
  readonly servers: LocalServers;
  readonly config: Config;
  readonly eventType: EventType;
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly receiver: ChildProcess;
  readonly receiverPort: number;
  /** The processes whose CPU is counted, by what they are. */
  readonly roles: ReadonlyMap<string, ChildProcess>;
  close(): Promise<void>;
}

const ROLE_PROCESSES = ['router', 'delivery', 'recorder', 'retry', 'api'] as const;

export async function setStage(progress: (line: string) => void): Promise<Stage> {
  const servers = await startLocalServers({ ...readMachine(), ephemeral: true, tuned: 'bench', progress });
  const children: ChildProcess[] = [];
  const close = async () => {
    await Promise.all(children.map(endProcess));
    await servers.stop();
  };
  try {
    return { ...(await populate(servers, children, progress)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function populate(servers: LocalServers, children: ChildProcess[], progress: (line: string) => void) {
  const environment = settingsFor(servers);
  const config = readConfigWith({ presets: {}, overrides: environment });
  const eventType = describeEventType(BENCH_TYPE, SCHEMA);
  progress('preparing database, topics and schemas');
  await bootstrap(config, createSilentLogger());
  await registerEventTypes([eventType], config);
  const apiKey = await makeKey(config);
  const receiver = forkScript('receiver');
  children.push(receiver);
  const [{ port }] = (await once(receiver, 'message')) as [{ port: number }];
  progress('starting one process per role');
  const roles = new Map<string, ChildProcess>();
  for (const role of ROLE_PROCESSES) {
    const child = spawnRole(role, environment, { folder: servers.dataDir, readyFile: readyFileOf(servers, role) });
    children.push(child);
    roles.set(role, child);
  }
  let apiUrl = '';
  for (const role of ROLE_PROCESSES) apiUrl = (await readyOf(servers, role)).apiUrl ?? apiUrl;
  return { servers, config, eventType, apiUrl, apiKey, receiver, receiverPort: port, roles };
}

/** As in production, except that deliveries may go to a plain HTTP receiver on this machine. */
function settingsFor(servers: LocalServers): Record<string, string> {
  return {
    POSTHORN_KAFKA_BROKERS: servers.kafkaBrokers,
    POSTHORN_SCHEMA_REGISTRY_URL: servers.schemaRegistryUrl,
    POSTHORN_DATABASE_URL: servers.databaseUrl,
    POSTHORN_SECRET_KEYS: servers.secretKeys,
    POSTHORN_API_PORT: '0',
    POSTHORN_OPS_PORT: '0',
    POSTHORN_EGRESS_ALLOW_CIDRS: '127.0.0.0/8',
    POSTHORN_EGRESS_ALLOW_HTTP: 'true',
    POSTHORN_EGRESS_PORTS: '*',
  };
}

async function makeKey(config: Config): Promise<string> {
  const database = openDatabase({ url: config.databaseUrl, poolSize: 1, log: createSilentLogger() });
  try {
    return (await issueApiKey(database, { tenantId: BENCH_TENANT, name: 'benchmark' })).apiKey;
  } finally {
    await database.close();
  }
}

function readyFileOf(servers: LocalServers, role: string): string {
  return join(servers.dataDir, `${role}.ready.json`);
}

async function readyOf(servers: LocalServers, role: string): Promise<{ apiUrl: string | null }> {
  const file = readyFileOf(servers, role);
  for (let tries = 0; !existsSync(file); tries++) {
    if (tries > 600) throw new Error(`the role ${role} is not ready after a minute; see ${servers.dataDir}/logs`);
    await delay(100);
  }
  return JSON.parse(readFileSync(file, 'utf8'));
}
