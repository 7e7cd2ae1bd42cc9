import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { classArchiveFor } from './class-archive.ts';
import { LOCAL_HOST, portFor, retryTakenPorts } from './free-port.ts';
import { type ClassArchive, type Java, jvmFlags, type Tuning } from './java.ts';
import { REGISTRY_VERSION, registryApplication } from './maven-artifacts.ts';
import type { ServerPlace } from './server-place.ts';
import { type RunningServer, startServerProcess } from './server-process.ts';

const HEAP_MB = 256;
const READY_TIMEOUT_MS = 90_000;
const PROBE_TIMEOUT_MS = 2_000;
const TRAINING_STOP_MS = 30_000;

/** The registry on this machine, installed and ready to be launched. */
export interface Registry {
  readonly java: Java;
  readonly folder: string;
  readonly classArchive: ClassArchive | undefined;
}

/**
 * Where schemas are kept. In memory, ids are handed out in registration order, so after a restart old records would be
 * decoded with the wrong schema: fit only for data that goes as well.
 */
export type RegistryStorage =
  | { readonly kind: 'memory' }
  | { readonly kind: 'postgres'; readonly jdbcUrl: string; readonly user: string; readonly password: string };

export interface RegistryOptions {
  readonly wantedPort?: number | undefined;
  readonly tuned: Tuning;
  readonly storage: RegistryStorage;
}

/** Downloads and prepares the registry; the work of a minute the first time, of a millisecond after that. */
export async function prepareRegistry(java: Java, place: ServerPlace): Promise<Registry> {
  const folder = await registryApplication(place);
  const train = (archive: ClassArchive) => trainRegistry({ java, folder, classArchive: archive }, place);
  const classArchive = await classArchiveFor({ name: 'apicurio', java, place, train });
  return { java, folder, classArchive };
}

/** Starts the registry on `wantedPort`, or on a free port, and waits until it answers. */
export async function startRegistry(
  registry: Registry,
  place: ServerPlace,
  options: RegistryOptions,
): Promise<RunningServer> {
  return await retryTakenPorts(async () => {
    const port = await portFor(options.wantedPort);
    const process = await startServerProcess({
      name: 'registry',
      command: registry.java.command,
      args: registryArguments(registry, port, { ...options, temporaryFolder: place.temporaryFolder }),
      logFile: join(place.logFolder, 'registry.log'),
      place,
      stopSignal: place.ephemeral ? 'KILL' : 'TERM',
      cwd: registry.folder,
    });
    try {
      await process.waitUntilReady(() => probeRegistry(registryUrl(port)), READY_TIMEOUT_MS);
    } catch (error) {
      await process.stop(0);
      throw error;
    }
    return { process, port };
  });
}

/** The address that Confluent's clients take, base path included. */
export function registryUrl(port: number): string {
  return `http://${LOCAL_HOST}:${port}/apis/ccompat/v7`;
}

/** Resolves when the registry answers a question that needs its storage. */
export async function probeRegistry(url: string): Promise<void> {
  const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the schema registry answers ${response.status}`);
}

function registryArguments(
  { folder, classArchive }: Registry,
  port: number,
  { tuned, storage, temporaryFolder }: RegistryOptions & { readonly temporaryFolder: string },
): string[] {
  const properties = {
    'quarkus.http.host': LOCAL_HOST,
    'quarkus.http.port': port,
    // 20 connections each by default, of which one person's machine needs none.
    'apicurio.datasource.jdbc.initial-size': 1,
    'apicurio.datasource.jdbc.min-size': 1,
    'apicurio.datasource.jdbc.max-size': 10,
    ...storageProperties(storage),
  };
  return [
    ...jvmFlags({ tuned, heapMb: HEAP_MB, temporaryFolder, classArchive }),
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    '-jar',
    join(folder, `apicurio-registry-app-${REGISTRY_VERSION}-runner.jar`),
  ];
}

function storageProperties(storage: RegistryStorage): Record<string, string> {
  switch (storage.kind) {
    case 'memory':
      return {};
    case 'postgres':
      return {
        'apicurio.storage.kind': 'sql',
        'apicurio.storage.sql.kind': 'postgresql',
        'apicurio.datasource.url': storage.jdbcUrl,
        'apicurio.datasource.username': storage.user,
        'apicurio.datasource.password': storage.password,
      };
  }
}

/** One start and stop in a folder of its own, so that the JVM writes its class archive. */
async function trainRegistry(registry: Registry, place: ServerPlace): Promise<void> {
  const dataDir = mkdtempSync(join(place.cacheDir, '.registry-training-'));
  place.guard.removeAtDeath(dataDir);
  try {
    const training = {
      ...place,
      dataDir,
      logFolder: join(dataDir, 'logs'),
      temporaryFolder: dataDir,
      ephemeral: false,
    };
    mkdirSync(training.logFolder);
    const { process } = await startRegistry(registry, training, { tuned: 'test', storage: { kind: 'memory' } });
    await process.stop(TRAINING_STOP_MS);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
