import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isRunning } from '../support/local-infra.ts';
import { waitUntil } from '../support/wait-until.ts';

const EVENT_TYPES = 32;
/** The demo's webhooks: one for everything, five for one type each. */
const DELIVERIES = EVENT_TYPES + 5;

let folder: string;
let temporary: string;
let running: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-demo-test-'));
  temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  // As root the local PostgreSQL runs as another account, which must get in.
  for (const path of [folder, temporary]) chmodSync(path, 0o777);
  running = [];
});
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGTERM');
    await waitUntil(() => child.exitCode !== null || child.signalCode !== null, { timeoutMs: 40_000 });
  }
  rmSync(folder, { recursive: true, force: true });
});

interface DemoRun {
  readonly process: ChildProcess;
  output(): string;
  readonly exited: Promise<number | NodeJS.Signals>;
}

function runDemo(...args: string[]): DemoRun {
  const child = spawn(resolve('posthorn'), ['up', '--ephemeral', '--demo', ...args], {
    cwd: folder,
    env: { ...process.env, TMPDIR: temporary },
  });
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const exited = new Promise<number | NodeJS.Signals>((settle) => {
    child.once('close', (code, signal) => settle(code ?? signal ?? 1));
  });
  return { process: child, output: () => output, exited };
}

/** The servers of a run: every process whose command line names the run's temporary folder. */
function serversIn(path: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => isRunning(pid) && commandLineOf(pid).includes(path));
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It ended while we looked.
    return '';
  }
}

test('the demo ends by itself when every event has arrived and verified, and leaves nothing behind', async () => {
  const run = runDemo('--once');

  await waitUntil(() => run.output().includes('SIGNATURE'), { timeoutMs: 120_000, what: 'the table' });
  expect(serversIn(temporary).length).toBeGreaterThanOrEqual(3);

  expect(await run.exited, run.output()).toBe(0);
  expect(run.output()).toContain(`${EVENT_TYPES} events, ${DELIVERIES} deliveries`);
  expect(run.output()).toMatch(/^alert\.created +moody +500 +1 +\d+ verified$/m);
  expect(run.output()).toMatch(/^alert\.created +moody +200 +2 +\d+ verified$/m);
  expect(run.output()).toMatch(/^ {2}curl -H 'X-API-Key: phk_\S+' http:\S+\/api\/v1\/webhooks\/$/m);
  expect(serversIn(temporary)).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
});

test('without an end of its own the demo goes on until a signal, exits 0 and leaves nothing behind', async () => {
  const run = runDemo();
  const arrivals = () => run.output().match(/ verified$/gm)?.length ?? 0;
  // More than the first round: the steady trickle runs.
  await waitUntil(() => arrivals() > DELIVERIES + 5, { timeoutMs: 150_000, what: 'the trickle' });

  const beganMs = performance.now();
  run.process.kill('SIGINT');

  expect(await run.exited, run.output()).toBe(0);
  expect(performance.now() - beganMs).toBeLessThan(20_000);
  expect(serversIn(temporary)).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
});

test('a signal while the servers start ends the start with exit 0 and leaves nothing behind', async () => {
  const run = runDemo();
  await waitUntil(() => serversIn(temporary).length > 0, { timeoutMs: 60_000, what: 'the first server' });

  run.process.kill('SIGINT');

  expect(await run.exited, run.output()).toBe(0);
  expect(serversIn(temporary)).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
});
