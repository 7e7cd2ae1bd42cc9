import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { probeBrokers } from '../../../src/infrastructure/kafka/broker-probe.ts';
import { probeDatabase } from '../../../src/infrastructure/postgres/server-admin.ts';
import { probeRegistry } from '../../../src/local/registry-server.ts';
import { endRuns, isRunning, runInfra, temporaryFolder } from '../../support/local-infra.ts';
import { waitUntil } from '../../support/wait-until.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await endRuns();
  folder.remove();
});

test('infra --ephemeral answers on free ports, tells where in its ready file, and leaves nothing behind', async () => {
  const temporary = join(folder.path, 'tmp');
  mkdirSync(temporary);
  openForAll(folder.path, temporary);
  const run = runInfra(['--ephemeral'], { cwd: folder.path, environment: { TMPDIR: temporary } });
  const ready = await run.ready();
  expect(Object.keys(ready)).toEqual(['kafkaBrokers', 'schemaRegistryUrl', 'databaseUrl', 'secretKeys', 'pids']);
  expect(statSync(run.readyPath).mode & 0o777).toBe(0o600);
  await probeBrokers(ready.kafkaBrokers.split(','), 1);
  await probeRegistry(ready.schemaRegistryUrl);
  await probeDatabase(ready.databaseUrl);
  const pids = Object.values(ready.pids).flat();
  expect(pids.filter(isRunning)).toHaveLength(3);

  const began = performance.now();
  run.process.kill('SIGTERM');
  expect(await run.exited).toBe(0);
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(pids.filter(isRunning)).toEqual([]);
  expect(existsSync(run.readyPath)).toBe(false);
  expect(readdirSync(temporary)).toEqual([]);
});

test('when infra is killed with SIGKILL, no server, no ready file and no temporary folder stay', async () => {
  const temporary = join(folder.path, 'tmp');
  mkdirSync(temporary);
  openForAll(folder.path, temporary);
  const run = runInfra(['--ephemeral'], { cwd: folder.path, environment: { TMPDIR: temporary } });
  const pids = Object.values((await run.ready()).pids).flat();
  run.process.kill('SIGKILL');
  await waitUntil(() => pids.every((pid) => !isRunning(pid)), { timeoutMs: 15_000, what: 'the end of all servers' });
  const isClean = () => readdirSync(temporary).length === 0 && !existsSync(run.readyPath);
  await waitUntil(isClean, { timeoutMs: 15_000, what: 'a clean temporary folder' });
});

test('a signal while the servers start ends the start, and a second one exits 130', async () => {
  const run = runInfra(['--ephemeral'], { cwd: folder.path });
  await waitUntil(() => serversOf(run.process.pid).length > 0, { what: 'the first server' });
  const pids = serversOf(run.process.pid);
  run.process.kill('SIGINT');
  run.process.kill('SIGINT');
  expect([0, 130]).toContain(await run.exited);
  await waitUntil(() => pids.every((pid) => !isRunning(pid)), { timeoutMs: 15_000, what: 'the end of all servers' });
  expect(existsSync(run.readyPath)).toBe(false);
});

test('without Java, one line says so and how to install it', async () => {
  const run = runInfra([], { cwd: folder.path, environment: { PATH: pathWith('sh'), JAVA_HOME: '' } });
  expect(await run.exited).toBe(1);
  const lines = run.output().trim().split('\n');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^posthorn: Java 17 or newer is needed .*apt-get install .*Docker/);
});

test('without Maven and with an empty cache, one line says so and how to install it', async () => {
  openForAll(folder.path);
  const environment = {
    PATH: pathWith('sh', 'java'),
    XDG_CACHE_HOME: join(folder.path, 'cache'),
    POSTHORN_DATA_DIR: join(folder.path, 'data'),
  };
  const run = runInfra([], { cwd: folder.path, environment });
  expect(await run.exited).toBe(1);
  expect(run.output().trim().split('\n').at(-1)).toMatch(
    /^posthorn: Maven is needed once .*apt-get install maven.*Docker/,
  );
});

test('a taken default port is left to its owner', async () => {
  const { portFor } = await import('../../../src/local/free-port.ts');
  const owner = createServer();
  const taken = await new Promise<number>((settle) => {
    owner.listen(0, '127.0.0.1', () => {
      const address = owner.address();
      settle(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const chosen = await portFor(taken);
  expect(chosen).not.toBe(taken);
  expect(chosen).toBeGreaterThan(0);
  await new Promise((settle) => owner.close(settle));
  expect(await portFor(taken)).toBe(taken);
});

/** As root the database runs as an unprivileged account, which must reach the folder. */
function openForAll(...paths: string[]): void {
  for (const path of paths) chmodSync(path, 0o755);
}

function serversOf(parent: number | undefined): number[] {
  const list = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], { encoding: 'utf8' });
  const servers = list.split('\n').filter((line) => /kafka\.Kafka|registry-app|bin\/postgres /.test(line));
  return servers.map((line) => Number.parseInt(line, 10));
}

/** A folder with links to these programs and nothing else, to be the whole PATH. */
function pathWith(...programs: string[]): string {
  const path = join(folder.path, 'bin');
  mkdirSync(path);
  for (const program of programs) {
    const found = execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
    symlinkSync(found, join(path, program));
  }
  return path;
}
