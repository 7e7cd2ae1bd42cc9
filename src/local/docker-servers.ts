import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../domain/errors.ts';
import { probeBrokers } from '../infrastructure/kafka/broker-probe.ts';
import { probeDatabase } from '../infrastructure/postgres/server-admin.ts';
import type { DataFolder } from './data-folder.ts';
import { LOCAL_HOST, portFor } from './free-port.ts';
import { type Guard, startGuard } from './guard.ts';
import {
  DEFAULT_PORTS,
  type LocalServers,
  type LocalServersOptions,
  openServerFolder,
  type ServerAddresses,
} from './local-servers.ts';
import { databaseUrl } from './postgres-server.ts';
import { noProgress } from './progress.ts';
import { probeRegistry, registryUrl } from './registry-server.ts';
import { runCommand } from './run-command.ts';
import { secretKeysIn } from './secret-keys.ts';
import { untilReady } from './until-ready.ts';

const COMPOSE_FILE = fileURLToPath(new URL('../../docker-compose.yml', import.meta.url));
const ENGINE_TIMEOUT_MS = 5_000;
const READY_TIMEOUT_MS = 90_000;
const SERVICES = ['kafka', 'registry', 'postgres'];

/** Whether a Docker engine answers here and can run our compose file. */
export async function dockerAnswers(): Promise<boolean> {
  if (!existsSync(COMPOSE_FILE)) return false;
  const timeoutMs = ENGINE_TIMEOUT_MS;
  const engine = await runCommand('docker', ['version', '--format', '{{.Server.Version}}'], { timeoutMs });
  if (engine.exitCode !== 0) return false;
  const compose = await runCommand('docker', ['compose', 'version', '--short'], { timeoutMs });
  return compose.exitCode === 0;
}

/** Starts the servers as containers and resolves when all of them answer; on failure nothing is left. */
export async function startDockerServers(options: LocalServersOptions): Promise<LocalServers> {
  const guard = startGuard(options.removeAtDeath);
  const folder = await openServerFolder(options, guard);
  const project = openProject(folder, guard, options.ephemeral ?? false);
  try {
    const addresses = await composeUp(project, folder, options);
    const secretKeys = secretKeysIn(folder.path);
    // The engine restarts nothing and tells us nothing; what fails shows in the readiness of those who need it.
    const failure = new Promise<Error>(() => undefined);
    return { ...addresses, secretKeys, pids: {}, dataDir: folder.path, failure, stop: () => project.stop() };
  } catch (error) {
    await project.stop();
    throw error;
  }
}

interface Project {
  readonly name: string;
  stop(): Promise<void>;
}

/** The containers of one data folder. Durable data is in named volumes, which outlive `down`. */
function openProject(folder: DataFolder, guard: Guard, ephemeral: boolean): Project {
  const name = `posthorn-${createHash('sha256').update(folder.path).digest('hex').slice(0, 12)}`;
  const down = ['compose', '-p', name, 'down', ...(ephemeral ? ['--volumes'] : [])];
  guard.runAtDeath(['docker', ...down].join(' '));
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await runCommand('docker', down);
    folder.close();
    guard.release();
  };
  return { name, stop: () => (stopped ??= stop()) };
}

async function composeUp(project: Project, folder: DataFolder, options: LocalServersOptions): Promise<ServerAddresses> {
  const { ephemeral = false, progress = noProgress, signal } = options;
  const wanted = (port: number) => (ephemeral ? undefined : port);
  const kafka = await portFor(wanted(DEFAULT_PORTS.kafka));
  const registry = await portFor(wanted(DEFAULT_PORTS.registry));
  const postgres = await portFor(wanted(DEFAULT_PORTS.postgres));
  // A file, because the whole environment of this process is not ours to hand on.
  const environment = join(folder.path, 'compose.env');
  const ports = { POSTHORN_KAFKA_PORT: kafka, POSTHORN_REGISTRY_PORT: registry, POSTHORN_POSTGRES_PORT: postgres };
  writeFileSync(
    environment,
    Object.entries(ports)
      .map(([name, port]) => `${name}=${port}\n`)
      .join(''),
  );
  progress('starting Kafka, the schema registry and PostgreSQL with Docker');
  const compose = ['compose', '-p', project.name, '-f', COMPOSE_FILE, '--env-file', environment];
  const up = await runCommand('docker', [...compose, 'up', '-d', '--quiet-pull', ...SERVICES], { signal });
  if (up.exitCode !== 0) throw new AppError('unavailable', `docker compose failed:\n${up.output}`);
  const addresses = {
    kafkaBrokers: `${LOCAL_HOST}:${kafka}`,
    schemaRegistryUrl: registryUrl(registry),
    databaseUrl: databaseUrl(postgres),
  };
  const giveUp = () => signal?.throwIfAborted();
  await untilReady(() => probeAll(addresses), { what: 'a container', timeoutMs: READY_TIMEOUT_MS, giveUp });
  return addresses;
}

async function probeAll(addresses: ServerAddresses): Promise<void> {
  await probeBrokers([addresses.kafkaBrokers], 1);
  await probeRegistry(addresses.schemaRegistryUrl);
  await probeDatabase(addresses.databaseUrl);
}
