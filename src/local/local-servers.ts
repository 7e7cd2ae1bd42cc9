import { AppError } from '../domain/errors.ts';
import { createEphemeralFolder, type DataFolder, openDataFolder } from './data-folder.ts';
import { LOCAL_HOST } from './free-port.ts';
import { type Guard, startGuard } from './guard.ts';
import { findJava, type Java, type Tuning } from './java.ts';
import { addressOf, prepareKafka, startKafka } from './kafka-server.ts';
import { databaseUrl, PRODUCT_ROLE, REGISTRY_DATABASE, startPostgres } from './postgres-server.ts';
import { noProgress, type Progress } from './progress.ts';
import type { InfraReady } from './ready-file.ts';
import { prepareRegistry, type RegistryStorage, registryUrl, startRegistry } from './registry-server.ts';
import { secretKeysIn } from './secret-keys.ts';
import type { RunningServer } from './server-process.ts';
import { createServerSet, type ServerSet } from './server-set.ts';

const FREE_PORTS = { kafka: undefined, registry: undefined, postgres: undefined };
export const DEFAULT_PORTS = { kafka: 9092, registry: 8081, postgres: 5432 };

export interface LocalServersOptions {
  /** Where data and logs are kept; required unless `ephemeral`. */
  readonly dataDir?: string;
  /** Free ports and a temporary folder that goes at the end, also when this process is killed. */
  readonly ephemeral?: boolean;
  /** Where downloads are kept. */
  readonly cacheDir: string;
  /** JAVA_HOME; without it the PATH decides. */
  readonly javaHome?: string | undefined;
  /** Where the registry keeps schemas: in PostgreSQL, or in memory (the default of `ephemeral`, and only there). */
  readonly registryStorage?: RegistryStorage['kind'];
  /** False when the registry is not needed; its URL then answers nothing. */
  readonly registry?: boolean;
  readonly tuned?: Tuning;
  readonly progress?: Progress;
  /** Files that go when this process is killed, a ready file for instance; at an orderly stop they are yours. */
  readonly removeAtDeath?: readonly string[];
  /** Ends a start that is under way; it then rejects, and nothing is left. */
  readonly signal?: AbortSignal;
}

/** Kafka, schema registry and PostgreSQL, all of them answering. */
export interface LocalServers extends InfraReady {
  readonly dataDir: string;
  /** Resolves when a server ends that nobody stopped. */
  readonly failure: Promise<Error>;
  /** Stops all servers within 20 s; an ephemeral folder is gone afterwards. May be called twice and at once. */
  stop(): Promise<void>;
}

/** Starts the servers as processes of this machine and resolves when all of them answer; on failure nothing is left. */
export async function startLocalServers(options: LocalServersOptions): Promise<LocalServers> {
  const java = await findJava(options.javaHome);
  const guard = startGuard(options.removeAtDeath);
  const folder = await openServerFolder(options, guard).catch((error: unknown) => {
    guard.release();
    throw error;
  });
  const { cacheDir, ephemeral = false, progress = noProgress, signal } = options;
  const set = createServerSet({ folder, guard, cacheDir, ephemeral, progress, signal });
  const abort = () => void set.stopServers();
  signal?.addEventListener('abort', abort);
  try {
    progress('starting Kafka, the schema registry and PostgreSQL as processes of this machine');
    const addresses = await startServers(set, java, options);
    signal?.throwIfAborted();
    const secretKeys = secretKeysIn(folder.path);
    const { failure } = set;
    return { ...addresses, secretKeys, pids: set.pids(), dataDir: folder.path, failure, stop: () => set.stop() };
  } catch (error) {
    await set.stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The data folder that the options ask for; durable ones are locked. */
export async function openServerFolder(options: LocalServersOptions, guard: Guard): Promise<DataFolder> {
  if (options.ephemeral === true) return createEphemeralFolder(guard);
  if (options.dataDir === undefined) throw new AppError('misconfigured', 'durable servers need a data folder');
  if (options.registryStorage === 'memory') {
    throw new AppError('misconfigured', 'a schema registry in memory would renumber the schemas of durable data');
  }
  return await openDataFolder(options.dataDir, options.progress ?? noProgress);
}

export type ServerAddresses = Pick<InfraReady, 'kafkaBrokers' | 'schemaRegistryUrl' | 'databaseUrl'>;

async function startServers(set: ServerSet, java: Java, options: LocalServersOptions): Promise<ServerAddresses> {
  const { ephemeral = false, tuned = 'test' } = options;
  const { place } = set;
  const ports = ephemeral ? FREE_PORTS : DEFAULT_PORTS;
  const kafka = async () => {
    const prepared = await prepareKafka(java, place);
    return await startKafka(prepared, place, { wantedPort: ports.kafka, tuned });
  };
  const registry = async (database: Promise<RunningServer>) => {
    if (options.registry === false) return await database;
    const prepared = await prepareRegistry(java, place);
    const inMemory = (options.registryStorage ?? (ephemeral ? 'memory' : 'postgres')) === 'memory';
    const storage = inMemory ? IN_MEMORY : registryDatabase((await database).port);
    return await startRegistry(prepared, place, { wantedPort: ports.registry, tuned, storage });
  };
  const database = startPostgres(place, { wantedPort: ports.postgres, tuned });
  const starting = [kafka(), registry(database), database] as const;
  // All, also after a failure: none may still be starting while the others are stopped.
  await Promise.allSettled(starting);
  const [kafkaServer, registryServer, databaseServer] = await Promise.all(starting);
  set.ready(options.registry === false ? 2 : 3);
  return {
    kafkaBrokers: addressOf(kafkaServer),
    schemaRegistryUrl: registryUrl(registryServer.port),
    databaseUrl: databaseUrl(databaseServer.port),
  };
}

const IN_MEMORY: RegistryStorage = { kind: 'memory' };

function registryDatabase(port: number): RegistryStorage {
  const jdbcUrl = `jdbc:postgresql://${LOCAL_HOST}:${port}/${REGISTRY_DATABASE}`;
  return { kind: 'postgres', jdbcUrl, user: PRODUCT_ROLE.role, password: PRODUCT_ROLE.password };
}
