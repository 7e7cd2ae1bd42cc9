import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../domain/errors.ts';
import { ensureCached } from './download-cache.ts';
import { requireMaven } from './java.ts';
import { type CommandResult, runCommand } from './run-command.ts';
import type { CachePlace } from './server-place.ts';

export const KAFKA_VERSION = '4.2.1';
export const REGISTRY_VERSION = '3.0.9';

// The last one that copies an artifact whose parent is not on Central; from 3.0 on the registry cannot be resolved.
const MAVEN_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:2.10';
const TELL_EVERY_MS = 3_000;

// slf4j-simple writes warnings and errors to the log file; with no binding at all a failing broker dies without a word.
const KAFKA_POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>posthorn</groupId><artifactId>local-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;

/** The folder with all jars of the broker; downloads them the first time (43 MB). */
export async function kafkaJars(place: CachePlace): Promise<string> {
  const path = join(place.cacheDir, `kafka-${KAFKA_VERSION}`);
  const what = `Kafka ${KAFKA_VERSION} (43 MB)`;
  const fill = async (draft: string) => {
    mkdirSync(draft, { recursive: true });
    const pom = join(draft, 'pom.xml');
    writeFileSync(pom, KAFKA_POM);
    const goal = `${MAVEN_PLUGIN}:copy-dependencies`;
    await maven(['-f', pom, goal, '-DincludeScope=runtime', `-DoutputDirectory=${draft}`], { what, place, draft });
  };
  await ensureCached({ path, what, lockName: 'maven', fill }, place);
  return path;
}

/** The folder with the unpacked schema registry; downloads it the first time (109 MB). */
export async function registryApplication(place: CachePlace): Promise<string> {
  const path = join(place.cacheDir, `apicurio-${REGISTRY_VERSION}`);
  const what = `the Apicurio schema registry ${REGISTRY_VERSION} (109 MB)`;
  const fill = async (draft: string) => {
    mkdirSync(draft, { recursive: true });
    const artifact = `io.apicurio:apicurio-registry-app:${REGISTRY_VERSION}:tar.gz:all`;
    const args = [`${MAVEN_PLUGIN}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${draft}`];
    await maven(args, { what, place, draft });
    await unpackOnly(draft);
  };
  await ensureCached({ path, what, lockName: 'maven', fill }, place);
  return path;
}

interface Download {
  readonly what: string;
  readonly place: CachePlace;
  readonly draft: string;
}

async function maven(args: readonly string[], { what, place, draft }: Download): Promise<void> {
  await requireMaven();
  const begun = performance.now();
  let files = 0;
  const tell = () => {
    const seconds = Math.round((performance.now() - begun) / 1000);
    place.progress(`downloading ${what}: ${seconds} s so far${files === 0 ? '' : `, ${files} files`}`);
  };
  place.progress(`downloading ${what} from Maven Central, once`);
  const timer = setInterval(tell, TELL_EVERY_MS);
  try {
    const onOutput = (chunk: string) => {
      files += chunk.split('Downloaded from').length - 1;
    };
    // -C: a wrong checksum fails the download. -U: an outage of the last time is not remembered for a day.
    failUnlessDone(
      await runCommand('mvn', ['-B', '-C', '-U', ...args], { cwd: draft, onOutput, signal: place.signal }),
      `cannot download ${what}`,
    );
  } finally {
    clearInterval(timer);
  }
}

async function unpackOnly(folder: string): Promise<void> {
  const archive = readdirSync(folder).find((name) => name.endsWith('.tar.gz'));
  if (archive === undefined) throw new AppError('unavailable', 'Maven left no archive of the schema registry');
  // Files belong to us, not to the numbers of whoever packed them.
  failUnlessDone(
    await runCommand('tar', ['-xzf', archive, '--no-same-owner'], { cwd: folder }),
    `cannot unpack ${archive}`,
  );
  rmSync(join(folder, archive));
}

function failUnlessDone({ exitCode, output }: CommandResult, problem: string): void {
  if (exitCode === 0) return;
  const errors = output.split('\n').filter((line) => line.includes('ERROR'));
  const words = (errors.length > 0 ? errors : output.trim().split('\n')).slice(0, 3).join('\n  ');
  throw new AppError('unavailable', `${problem}:\n  ${words}`);
}
