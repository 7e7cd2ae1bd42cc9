import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bootstrap } from '../compose/bootstrap.ts';
import { ROLES } from '../compose/roles.ts';
import { createServingProcess } from '../compose/serve.ts';
import { type Config, readConfigWith, readMachine } from '../config.ts';
import { parseApiKey } from '../domain/api-key.ts';
import { AppError } from '../domain/errors.ts';
import { useApiKey } from '../infrastructure/postgres/api-key-store.ts';
import { openDatabase } from '../infrastructure/postgres/database.ts';
import { issueApiKey } from '../infrastructure/postgres/issue-api-key.ts';
import { createLogger, createSilentLogger, type Logger } from '../infrastructure/telemetry/logger.ts';
import { ensureCertificates, type LocalCertificates } from './certificates.ts';
import { LOCAL_HOST, portFor } from './free-port.ts';
import { startInfrastructure } from './infrastructure.ts';
import type { LocalServers, LocalServersOptions } from './local-servers.ts';
import { type InfraReady, writeFileAtomically } from './ready-file.ts';

/** The tenant of a local Posthorn. */
const LOCAL_TENANT = 'local';
const BOOTSTRAP_DEADLINE_MS = 60_000;
const BOOTSTRAP_PAUSE_MS = 500;

/** What the ready file of `up` tells. */
export interface UpReady extends InfraReady {
  readonly apiUrl: string;
  readonly opsUrl: string;
  readonly consoleUrl: string;
  readonly apiKey: string;
  readonly tenantId: string;
}

/** A Posthorn with all that it needs, on this machine. */
export interface LocalPosthorn {
  readonly ready: UpReady;
  readonly config: Config;
  readonly dataDir: string;
  readonly certificates: LocalCertificates;
  /** What was set because the environment did not, in words. */
  readonly presets: readonly string[];
  /** Resolves when a part ends that nobody stopped. */
  readonly failure: Promise<Error>;
  /** Whether events count for this webhook already. */
  knowsWebhook(id: string): boolean;
  stop(): Promise<void>;
}

export interface LocalPosthornOptions extends Pick<LocalServersOptions, 'tuned' | 'removeAtDeath'> {
  readonly ephemeral: boolean;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Starts servers, prepares them, makes or finds the API key and serves; on failure nothing is left. */
export async function startLocalPosthorn(options: LocalPosthornOptions): Promise<LocalPosthorn> {
  const { ephemeral, progress, signal } = options;
  const { dataDir } = readConfigWith({ presets: {}, overrides: {} });
  const given = { ...readMachine(), dataDir, ephemeral, progress, signal, ...tuning(options) };
  const servers = await startInfrastructure(given);
  try {
    return await startOn(servers, options);
  } catch (error) {
    await servers.stop();
    throw error;
  }
}

async function startOn(servers: LocalServers, options: LocalPosthornOptions): Promise<LocalPosthorn> {
  const { progress, signal } = options;
  const certificates = await ensureCertificates(join(servers.dataDir, 'certificates'));
  const { config, presets } = await localConfig(servers, certificates.caFile, options.ephemeral);
  progress('preparing database, topics and schemas');
  await bootstrapPatiently(config, signal);
  signal.throwIfAborted();
  const apiKey = await ensureApiKey(config, servers.dataDir);
  progress('starting Posthorn');
  const logFile = createWriteStream(join(servers.dataDir, 'logs', 'posthorn.log'), { flags: 'a', mode: 0o600 });
  const failure = Promise.withResolvers<Error>();
  const log: Logger = createLogger(config.logLevel, { write: (line) => void logFile.write(line) });
  const posthorn = createServingProcess({ config, roles: ROLES, host: LOCAL_HOST, log, onFatal: failure.resolve });
  const stop = async () => {
    await posthorn.stop();
    logFile.end();
    await once(logFile, 'close');
    await servers.stop();
  };
  const abort = () => void posthorn.stop();
  signal.addEventListener('abort', abort);
  try {
    await posthorn.start();
  } finally {
    signal.removeEventListener('abort', abort);
  }
  const { kafkaBrokers, schemaRegistryUrl, databaseUrl, secretKeys, pids } = servers;
  const apiUrl = posthorn.apiUrl ?? '';
  const addresses = { apiUrl, opsUrl: posthorn.opsUrl, consoleUrl: apiUrl };
  return {
    ready: {
      kafkaBrokers,
      schemaRegistryUrl,
      databaseUrl,
      secretKeys,
      pids: { ...pids, posthorn: [process.pid] },
      ...addresses,
      apiKey,
      tenantId: LOCAL_TENANT,
    },
    config,
    dataDir: servers.dataDir,
    certificates,
    presets,
    failure: Promise.race([failure.promise, servers.failure]),
    knowsWebhook: (id) => posthorn.knowsWebhook(id),
    stop,
  };
}

/** Servers that answered a moment ago may still be slow on a busy machine; a bootstrap can be repeated at any point. */
async function bootstrapPatiently(config: Config, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + BOOTSTRAP_DEADLINE_MS;
  for (;;) {
    try {
      await bootstrap(config, createSilentLogger());
      return;
    } catch (error) {
      signal.throwIfAborted();
      const isWorthAnother = error instanceof AppError && error.code === 'unavailable';
      if (!isWorthAnother || performance.now() > deadline) throw error;
      await pause(BOOTSTRAP_PAUSE_MS, undefined, { signal });
    }
  }
}

/** The servers that were started are a fact; where deliveries may go is a preset that the environment overrules. */
async function localConfig(
  servers: LocalServers,
  caFile: string,
  ephemeral: boolean,
): Promise<{ config: Config; presets: string[] }> {
  const defaults = readConfigWith({ presets: {}, overrides: {} });
  const port = async (wanted: number) => String(ephemeral ? 0 : await portFor(wanted));
  const presets = {
    POSTHORN_EGRESS_ALLOW_CIDRS: '127.0.0.0/8,::1/128',
    POSTHORN_EGRESS_PORTS: '*',
    POSTHORN_EGRESS_CA_FILE: caFile,
    POSTHORN_API_PORT: await port(defaults.api.port),
    POSTHORN_OPS_PORT: await port(defaults.opsPort),
  };
  const overrides = {
    POSTHORN_KAFKA_BROKERS: servers.kafkaBrokers,
    POSTHORN_SCHEMA_REGISTRY_URL: servers.schemaRegistryUrl,
    POSTHORN_DATABASE_URL: servers.databaseUrl,
    POSTHORN_SECRET_KEYS: servers.secretKeys,
    POSTHORN_DATA_DIR: servers.dataDir,
  };
  const config = readConfigWith({ presets, overrides });
  const lines: string[] = [];
  if (config.egress.allowCidrs.join(',') === presets.POSTHORN_EGRESS_ALLOW_CIDRS)
    lines.push('deliveries may go to this machine (POSTHORN_EGRESS_ALLOW_CIDRS)');
  if (config.egress.ports === '*') lines.push('deliveries may go to any port (POSTHORN_EGRESS_PORTS)');
  if (config.egress.caFile === caFile)
    lines.push('the local certificate authority is trusted (POSTHORN_EGRESS_CA_FILE)');
  return { config, presets: lines };
}

/** One key per data folder, kept in a mode-600 file: a restart must not lock anybody out. */
async function ensureApiKey(config: Config, dataDir: string): Promise<string> {
  const file = join(dataDir, 'api-key');
  const database = openDatabase({ url: config.databaseUrl, poolSize: 1, log: createSilentLogger() });
  try {
    const kept = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
    const parsed = parseApiKey(kept);
    if (parsed !== null && (await useApiKey(database, parsed.id)) !== null) return kept;
    const { apiKey } = await issueApiKey(database, { tenantId: LOCAL_TENANT, name: 'posthorn up' });
    writeFileAtomically(file, `${apiKey}\n`);
    return apiKey;
  } finally {
    await database.close();
  }
}

function tuning({ tuned, removeAtDeath }: LocalPosthornOptions): Pick<LocalServersOptions, 'tuned' | 'removeAtDeath'> {
  return { ...(tuned === undefined ? {} : { tuned }), ...(removeAtDeath === undefined ? {} : { removeAtDeath }) };
}
