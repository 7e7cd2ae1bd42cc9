import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { unique } from './unique.ts';
import { waitUntil } from './wait-until.ts';

const LAUNCHER = resolve('posthorn');

export type Environment = Readonly<Record<string, string>>;

export interface Finished {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `serve --ready-file` writes. */
export interface ServeReady {
  readonly roles: readonly string[];
  readonly pid: number;
  readonly apiUrl: string | null;
  readonly opsUrl: string;
}

/** One line of the log, as far as tests look at it. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** A `posthorn serve` that was started as somebody who deploys it would. */
export interface PosthornProcess {
  readonly pid: number;
  /** Resolves once all of it serves. */
  ready(): Promise<ServeReady>;
  readonly readyPath: string;
  output(): string;
  log(): LogLine[];
  /** Sends a signal and resolves with the exit code, or the name of the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
  signal(signal: NodeJS.Signals): void;
  readonly exited: Promise<number | string>;
}

/** Runs a command of the product to its end. */
export async function runPosthorn(args: readonly string[], folder: string, env: Environment): Promise<Finished> {
  const { child, output, exited } = launch(args, folder, env);
  child.stdin.end();
  const code = await exited;
  return { code, stdout: output.stdout, stderr: output.stderr };
}

/** Starts `posthorn serve`; does not wait until it serves. */
export function startServe(roles: readonly string[] | null, folder: string, env: Environment): PosthornProcess {
  const readyPath = join(mkdtempSync(join(folder, `${unique('serve')}-`)), 'ready.json');
  const args = ['serve', '--ready-file', readyPath, ...(roles === null ? [] : ['--roles', roles.join(',')])];
  const { child, output, exited } = launch(args, folder, env);
  let ended: number | string | null = null;
  void exited.then((code) => {
    ended = code;
  });
  const everything = () => output.stdout + output.stderr;
  const isReady = () => {
    if (ended !== null) return 'ended';
    return existsSync(readyPath) && 'ready';
  };
  return {
    pid: child.pid ?? fail('posthorn could not be started'),
    readyPath,
    output: everything,
    log: () => linesOf(output.stdout),
    exited,
    signal: (signal) => void child.kill(signal),
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
    ready: async () => {
      const state = await waitUntil(isReady, { timeoutMs: 60_000, what: 'the ready file' }).catch(() => 'late');
      if (state !== 'ready') throw new Error(`serve is ${state} (${ended}):\n${everything()}`);
      return JSON.parse(readFileSync(readyPath, 'utf8')) as ServeReady;
    },
  };
}

function launch(args: readonly string[], folder: string, env: Environment) {
  // A folder of its own: no `.env` file of the checkout counts, and nothing is left in it.
  const own = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const child = spawn(LAUNCHER, args, { cwd: folder, env: { ...own, ...env } });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (output.stderr += text));
  const exited = new Promise<number | string>((settle) => {
    child.once('close', (code, signal) => settle(code ?? signal ?? 'unknown'));
  });
  return { child, output, exited };
}

function linesOf(text: string): LogLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}

function fail(message: string): never {
  throw new Error(message);
}
