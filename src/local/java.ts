import { join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { runCommand } from './run-command.ts';

/** What the broker and the registry need at least. */
const OLDEST_VERSION = 17;

const INSTALL_JAVA =
  'Debian or Ubuntu: apt-get install openjdk-17-jre-headless; Fedora: dnf install java-21-openjdk-headless';
const INSTALL_MAVEN = 'Debian or Ubuntu: apt-get install maven; Fedora: dnf install maven';
const OR_DOCKER = 'Or start a Docker engine.';

/** How fast a server must start against how fast it must run: `bench` lets the JVM compile and use memory freely. */
export type Tuning = 'test' | 'bench';

/** A Java runtime that is new enough. */
export interface Java {
  readonly command: string;
  /** The first line of `java -version`: class archives are valid for exactly one. */
  readonly version: string;
}

/** Finds Java in `javaHome`, else in the PATH. Throws `misconfigured` with what to install when there is none. */
export async function findJava(javaHome: string | undefined): Promise<Java> {
  const command = javaHome === undefined ? 'java' : join(javaHome, 'bin', 'java');
  const { exitCode, output } = await runCommand(command, ['-version']);
  const need = `Java ${OLDEST_VERSION} or newer is needed for local Kafka and the schema registry`;
  if (exitCode !== 0) throw missing(`${need}, but ${command} does not run. ${INSTALL_JAVA}. ${OR_DOCKER}`);
  const version = /version "(\d+)[^"]*"/.exec(output);
  if (Number(version?.[1]) < OLDEST_VERSION) {
    throw missing(`${need}, but ${command} is version ${version?.[1]}. ${INSTALL_JAVA}. ${OR_DOCKER}`);
  }
  return { command, version: version?.[0] ?? output };
}

/** Throws `misconfigured` with what to install when Maven is missing. */
export async function requireMaven(): Promise<void> {
  const { exitCode } = await runCommand('mvn', ['--version']);
  if (exitCode === 0) return;
  throw missing(
    `Maven is needed once to download local Kafka and the schema registry, but mvn does not run. ${INSTALL_MAVEN}. ${OR_DOCKER}`,
  );
}

export interface JvmOptions {
  readonly tuned: Tuning;
  readonly heapMb: number;
  /** For native libraries that the servers unpack; a folder of ours, so that nothing stays in /tmp. */
  readonly temporaryFolder: string;
  readonly classArchive: ClassArchive | undefined;
}

/** A file of preparsed classes: read, or written when the process ends. It halves the time to start. */
export interface ClassArchive {
  readonly file: string;
  readonly mode: 'read' | 'write';
}

/** Flags of a JVM that starts fast and stays small; `bench` leaves out what costs speed later. */
export function jvmFlags({ tuned, heapMb, temporaryFolder, classArchive }: JvmOptions): string[] {
  const startFast = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xms64m'];
  return [
    `-Xmx${tuned === 'bench' ? heapMb * 2 : heapMb}m`,
    ...(tuned === 'test' ? startFast : []),
    ...archiveFlags(classArchive),
    '-Xlog:disable',
    '-Xlog:all=error:stderr',
    '-XX:-UsePerfData',
    '-XX:+ExitOnOutOfMemoryError',
    '-Djava.awt.headless=true',
    `-Djava.io.tmpdir=${temporaryFolder}`,
  ];
}

function archiveFlags(archive: ClassArchive | undefined): string[] {
  if (archive === undefined) return [];
  return [`-XX:${archive.mode === 'read' ? 'SharedArchiveFile' : 'ArchiveClassesAtExit'}=${archive.file}`];
}

function missing(message: string): AppError {
  return new AppError('misconfigured', message);
}
