import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { ensureCached } from './download-cache.ts';
import { type Java, jvmFlags } from './java.ts';
import { brokerProperties } from './kafka-properties.ts';
import { KAFKA_VERSION, kafkaJars } from './maven-artifacts.ts';
import { runCommand } from './run-command.ts';
import type { CachePlace } from './server-place.ts';

const CHECKPOINT = 'bootstrap.checkpoint';

/** The broker's jars and what a new data folder begins with. */
export interface KafkaInstallation {
  readonly java: Java;
  /** In a fixed order: a class archive is valid for one class path. */
  readonly classPath: string;
  /** The feature levels that Kafka's own `format` writes; equal for all brokers of a version. */
  readonly checkpointFile: string;
}

export async function installKafka(java: Java, place: CachePlace): Promise<KafkaInstallation> {
  const jars = await kafkaJars(place);
  const names = readdirSync(jars).filter((name) => name.endsWith('.jar'));
  const classPath = names
    .sort()
    .map((name) => join(jars, name))
    .join(':');
  const checkpointFile = join(place.cacheDir, `kafka-${KAFKA_VERSION}-${CHECKPOINT}`);
  const fill = (draft: string) => writeCheckpoint({ java, classPath, checkpointFile: draft }, place.cacheDir);
  await ensureCached({ path: checkpointFile, what: 'Kafka', lockName: 'kafka-format', fill }, place);
  return { java, classPath, checkpointFile };
}

/**
 * Makes a data folder usable for a broker, as `kafka-storage format` would, in a millisecond instead of the second that
 * a JVM takes. A folder that is in use already stays as it is.
 */
export function formatDataFolder(
  { checkpointFile }: KafkaInstallation,
  node: { readonly dataFolder: string; readonly nodeId: number; readonly clusterId: string },
): void {
  const meta = join(node.dataFolder, 'meta.properties');
  if (existsSync(meta)) return;
  mkdirSync(node.dataFolder, { recursive: true });
  copyFileSync(checkpointFile, join(node.dataFolder, CHECKPOINT));
  // Written last: it is what marks the folder as formatted.
  const ids = `node.id=${node.nodeId}\ncluster.id=${node.clusterId}\ndirectory.id=${kafkaUuid()}\n`;
  writeFileSync(meta, `version=1\n${ids}`);
}

/** A random id in Kafka's notation: 22 characters of base64url, of which the first is no dash. */
export function kafkaUuid(): string {
  const bytes = Buffer.from(randomUUID().replaceAll('-', ''), 'hex');
  const id = bytes.toString('base64url');
  return id.startsWith('-') ? kafkaUuid() : id;
}

async function writeCheckpoint(kafka: KafkaInstallation, cacheDir: string): Promise<void> {
  const folder = mkdtempSync(join(cacheDir, '.kafka-format-'));
  try {
    const node = { nodeId: 1, port: 1, controllerPort: 2 };
    const properties = join(folder, 'server.properties');
    const dataFolder = join(folder, 'data');
    writeFileSync(properties, brokerProperties({ ...node, cluster: [node], dataFolder, tuned: 'test' }));
    const flags = jvmFlags({ tuned: 'test', heapMb: 128, temporaryFolder: folder, classArchive: undefined });
    const format = ['kafka.tools.StorageTool', 'format', '-t', kafkaUuid(), '-c', properties];
    const { exitCode, output } = await runCommand(kafka.java.command, [...flags, '-cp', kafka.classPath, ...format]);
    if (exitCode !== 0) throw new AppError('unavailable', `cannot format a data folder for Kafka:\n${output}`);
    copyFileSync(join(dataFolder, CHECKPOINT), kafka.checkpointFile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
