import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { UpReady } from '../../src/local/local-posthorn.ts';
import type { InfraReady } from '../../src/local/ready-file.ts';
import { unique } from './unique.ts';
import { waitUntil } from './wait-until.ts';

const ENTRY = resolve('src/cli.ts');

export interface LocalRun<Ready> {
  readonly process: ChildProcess;
  readonly readyPath: string;
  /** Everything that it printed so far. */
  output(): string;
  /** Resolves with the content of the ready file once there is one. */
  ready(): Promise<Ready>;
  /** Resolves with the exit code, or the signal's name. */
  readonly exited: Promise<number | string>;
}

const runs: { child: ChildProcess; exited: Promise<unknown> }[] = [];

/** Ends what a failed test left running; belongs into `afterEach`. */
export async function endRuns(): Promise<void> {
  for (const { child, exited } of runs.splice(0)) {
    child.kill('SIGTERM');
    await exited;
  }
}

export interface RunOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export type InfraRun = LocalRun<InfraReady>;

/** Runs `posthorn infra` as a process of its own, in a folder of its own. */
export function runInfra(args: readonly string[], options: RunOptions): InfraRun {
  return run<InfraReady>('infra', args, options);
}

/** Runs `posthorn up` likewise. */
export function runUp(args: readonly string[], options: RunOptions): LocalRun<UpReady> {
  return run<UpReady>('up', args, options);
}

function run<Ready>(command: 'infra' | 'up', args: readonly string[], options: RunOptions): LocalRun<Ready> {
  const readyPath = join(options.cwd, `${unique('ready')}.json`);
  const env = { ...process.env, ...options.environment };
  const child = spawn(process.execPath, [ENTRY, command, ...args, '--ready-file', readyPath], {
    cwd: options.cwd,
    env,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const exited = new Promise<number | string>((settle) => {
    child.once('close', (code, signal) => settle(code ?? signal ?? 'unknown'));
  });
  runs.push({ child, exited });
  const readFile = () => JSON.parse(readFileSync(readyPath, 'utf8')) as Ready;
  const ready = async () => {
    try {
      return await waitUntil(readFile, { timeoutMs: 60_000, what: 'the ready file' });
    } catch (error) {
      throw new Error(`no ready file; the output was:\n${output}`, { cause: error });
    }
  };
  return { process: child, readyPath, output: () => output, ready, exited };
}

/** A folder for one test file; `remove` it at the end. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Whether the process exists and is no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
