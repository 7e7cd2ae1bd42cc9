import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probeBrokers } from '../infrastructure/kafka/broker-probe.ts';
import { classArchiveFor } from './class-archive.ts';
import { freePorts, LOCAL_HOST, portFor, retryTakenPorts } from './free-port.ts';
import type { ClassArchive, Java, Tuning } from './java.ts';
import { jvmFlags } from './java.ts';
import { formatDataFolder, installKafka, type KafkaInstallation, kafkaUuid } from './kafka-installation.ts';
import { type BrokerAddress, type BrokerSettings, brokerProperties } from './kafka-properties.ts';
import type { ServerPlace } from './server-place.ts';
import { type RunningServer, type ServerProcess, startServerProcess } from './server-process.ts';

const HEAP_MB = 512;
const READY_TIMEOUT_MS = 60_000;
const TRAINING_STOP_MS = 30_000;

/** Kafka on this machine, installed and ready to be launched. */
export interface Kafka extends KafkaInstallation {
  readonly classArchive: ClassArchive | undefined;
}

/** Downloads and prepares Kafka; the work of a minute the first time, of a millisecond after that. */
export async function prepareKafka(java: Java, place: ServerPlace): Promise<Kafka> {
  const installation = await installKafka(java, place);
  const train = (archive: ClassArchive) => trainKafka({ ...installation, classArchive: archive }, place);
  const classArchive = await classArchiveFor({ name: 'kafka', java, place, train });
  return { ...installation, classArchive };
}

/** Starts a cluster of one broker on `wantedPort`, or on a free port. */
export async function startKafka(
  kafka: Kafka,
  place: ServerPlace,
  options: { readonly wantedPort?: number | undefined; readonly tuned: Tuning },
): Promise<RunningServer> {
  return await retryTakenPorts(async () => {
    const port = await portFor(options.wantedPort);
    const node = { nodeId: 1, port, controllerPort: await controllerPortBeside(port) };
    const settings = { ...node, cluster: [node], dataFolder: join(place.dataDir, 'kafka'), tuned: options.tuned };
    const process = await launchBroker(kafka, settings, { place, name: 'kafka', clusterId: kafkaUuid() });
    try {
      await process.waitUntilReady(() => probeBrokers([addressOf(node)], 1), READY_TIMEOUT_MS);
    } catch (error) {
      await process.stop(0);
      throw error;
    }
    return { process, port: node.port };
  });
}

/** Starts the process of one broker; it is not ready yet. `clusterId` counts only for a data folder that is new. */
export async function launchBroker(
  kafka: Kafka,
  settings: BrokerSettings,
  { place, name, clusterId }: { readonly place: ServerPlace; readonly name: string; readonly clusterId: string },
): Promise<ServerProcess> {
  const { dataFolder, nodeId, tuned } = settings;
  formatDataFolder(kafka, { dataFolder, nodeId, clusterId });
  const properties = join(place.dataDir, `${name}.properties`);
  writeFileSync(properties, brokerProperties(settings));
  const { temporaryFolder } = place;
  const flags = [
    ...jvmFlags({ tuned, heapMb: HEAP_MB, temporaryFolder, classArchive: kafka.classArchive }),
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
  ];
  return await startServerProcess({
    name,
    command: kafka.java.command,
    args: [...flags, '-cp', kafka.classPath, 'kafka.Kafka', properties],
    logFile: join(place.logFolder, `${name}.log`),
    place,
    stopSignal: place.ephemeral ? 'KILL' : 'TERM',
    cwd: place.dataDir,
  });
}

export function addressOf({ port }: Pick<BrokerAddress, 'port'>): string {
  return `${LOCAL_HOST}:${port}`;
}

/** Nothing listens on `port` yet, so the system could hand it out a second time. */
async function controllerPortBeside(port: number): Promise<number> {
  const candidates = await freePorts(2);
  return candidates.find((candidate) => candidate !== port) ?? 0;
}

/** One start and stop in a folder of its own, so that the JVM writes its class archive. */
async function trainKafka(kafka: Kafka, place: ServerPlace): Promise<void> {
  const dataDir = mkdtempSync(join(place.cacheDir, '.kafka-training-'));
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
    const { process } = await startKafka(kafka, training, { tuned: 'test' });
    await process.stop(TRAINING_STOP_MS);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
