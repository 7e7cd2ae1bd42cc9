import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { untilLed } from '../../../src/infrastructure/kafka/topics.ts';
import type { InfraReady } from '../../../src/local/ready-file.ts';
import { endRuns, isRunning, runInfra, temporaryFolder } from '../../support/local-infra.ts';
import { rawKafka, rawQuery } from '../../support/raw-clients.ts';
import { unique } from '../../support/unique.ts';
import { waitUntil } from '../../support/wait-until.ts';

const SCHEMA = JSON.stringify({ type: 'record', name: 'Kept', fields: [{ name: 'text', type: 'string' }] });

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await endRuns();
  const elsewhere = join(folder.path, '.posthorn', 'postgres-folder');
  if (existsSync(elsewhere)) rmSync(readFileSync(elsewhere, 'utf8'), { recursive: true, force: true });
  folder.remove();
});

test('a second start finds the records, rows, schema ids and secret keys of the first', async () => {
  chmodSync(folder.path, 0o755);
  const first = runInfra([], { cwd: folder.path });
  const before = await first.ready();
  const written = await writeEverywhere(before);
  const intruder = runInfra([], { cwd: folder.path });
  expect(await intruder.exited).toBe(1);
  expect(intruder.output()).toContain(`in use by process ${first.process.pid}`);
  expect(intruder.output()).toContain('POSTHORN_DATA_DIR');
  first.process.kill('SIGINT');
  expect(await first.exited).toBe(0);

  const second = runInfra([], { cwd: folder.path });
  const after = await second.ready();
  expect(await readEverywhere(after, written.topic)).toEqual(written);
  expect(after.secretKeys).toBe(before.secretKeys);
  second.process.kill('SIGTERM');
  expect(await second.exited).toBe(0);
});

test('servers that outlived their parent and its guard are ended by the next start, without loss', async () => {
  // Nobody else may enter this folder, so that as root the database has to lie elsewhere.
  chmodSync(folder.path, 0o700);
  const first = runInfra([], { cwd: folder.path });
  const before = await first.ready();
  const written = await writeEverywhere(before);
  const orphans = Object.values(before.pids).flat();
  for (const guard of guardsOf(first.process.pid)) process.kill(guard, 'SIGKILL');
  first.process.kill('SIGKILL');
  await first.exited;
  expect(orphans.filter(isRunning)).toEqual(orphans);

  const second = runInfra([], { cwd: folder.path });
  const after = await second.ready();
  expect(second.output()).toContain('ending 3 servers');
  expect(orphans.filter(isRunning)).toEqual([]);
  expect(await readEverywhere(after, written.topic)).toEqual(written);

  const [kafka] = after.pids['kafka'] ?? [];
  if (kafka === undefined) throw new Error('the ready file names no broker');
  process.kill(kafka, 'SIGKILL');
  expect(await second.exited).toBe(1);
  expect(second.output()).toContain(`kafka ended (SIGKILL); its log is in ${join(folder.path, '.posthorn', 'logs')}`);
  await waitUntil(() =>
    Object.values(after.pids)
      .flat()
      .every((pid) => !isRunning(pid)),
  );
});

interface Written {
  readonly topic: string;
  readonly record: string;
  readonly row: unknown;
  readonly schemaId: number;
}

async function writeEverywhere(servers: InfraReady): Promise<Written> {
  const topic = unique('kept');
  const kafka = rawKafka(servers.kafkaBrokers);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
  await untilLed(admin, [topic]);
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value: 'a record' }] });
  await producer.disconnect();
  const rows = await rawQuery(
    servers.databaseUrl,
    `CREATE TABLE ${topic} (text text)`,
    `INSERT INTO ${topic} VALUES ('a row')`,
    `SELECT text FROM ${topic}`,
  );
  return { topic, record: 'a record', row: rows[0]?.['text'], schemaId: await registerSchema(servers, topic) };
}

async function readEverywhere(servers: InfraReady, topic: string): Promise<Written> {
  const record = await firstRecord(servers, topic);
  const rows = await rawQuery(servers.databaseUrl, `SELECT text FROM ${topic}`);
  const answer = await fetch(`${servers.schemaRegistryUrl}/subjects/${topic}/versions/latest`);
  const { id } = (await answer.json()) as { id: number };
  return { topic, record, row: rows[0]?.['text'], schemaId: id };
}

async function firstRecord(servers: InfraReady, topic: string): Promise<string> {
  const consumer = rawKafka(servers.kafkaBrokers).consumer({ groupId: unique('reader') });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const record = Promise.withResolvers<string>();
  await consumer.run({ eachMessage: async ({ message }) => record.resolve(String(message.value)) });
  const value = await record.promise;
  await consumer.disconnect();
  return value;
}

async function registerSchema(servers: InfraReady, subject: string): Promise<number> {
  // Another subject first, so that an id handed out anew would differ.
  for (const name of [`${subject}_other`, subject]) {
    const schema = name === subject ? SCHEMA : '"string"';
    const answer = await fetch(`${servers.schemaRegistryUrl}/subjects/${name}/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema }),
    });
    const { id } = (await answer.json()) as { id: number };
    if (name === subject) return id;
  }
  throw new Error('no schema was registered');
}

function guardsOf(parent: number | undefined): number[] {
  const list = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], { encoding: 'utf8' });
  const guards = list.split('\n').filter((line) => line.includes('posthorn-guard'));
  return guards.map((line) => Number.parseInt(line, 10));
}
