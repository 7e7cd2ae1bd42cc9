import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { AppError } from '../domain/errors.ts';
import type { Guard, GuardSignal } from './guard.ts';
import { untilReady } from './until-ready.ts';

const LOG_TAIL_LINES = 6;

/** Runs a command by way of another one. */
export type CommandWrap = (command: readonly string[]) => readonly [string, ...string[]];

/** Who answers for the processes that are started. */
export interface Launcher {
  /** Runs the servers inside something else, a namespace for instance. */
  readonly wrap?: CommandWrap;
  readonly guard: Guard;
  /** Told of every process as soon as it runs, long before it answers. */
  readonly onLaunch: (process: ServerProcess) => Promise<void>;
}

export interface ServerProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly place: Launcher;
  /** How this server is told to end soon but in order. */
  readonly stopSignal: GuardSignal;
  readonly cwd: string;
  /** The account to run as; our own when absent. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
}

/** One server running as a child process, its output in a log file. */
export interface ServerProcess {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended, with the reason in words. */
  readonly exited: Promise<string>;
  /** Asks the server to end; forces it after `deadlineMs`. Resolves when it is gone. */
  stop(deadlineMs: number): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves once `probe` succeeds; rejects when the process ends first or `timeoutMs` is over. */
  waitUntilReady(probe: () => Promise<void>, timeoutMs: number): Promise<void>;
}

/** A server that answered a real request. */
export interface RunningServer {
  readonly process: ServerProcess;
  readonly port: number;
}

/** Starts the process in a session of its own, so that Ctrl-C reaches only us and we decide about the order. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const { name, place, stopSignal, account = {}, cwd } = options;
  const plain = [options.command, ...options.args] as const;
  const [command, ...args] = place.wrap === undefined ? plain : place.wrap(plain);
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log], cwd, ...account });
  closeSync(log);
  // At once, not after the next turn of the loop: from now on our death must end it.
  if (child.pid !== undefined) place.guard.watch(child.pid, stopSignal);
  const pid = await spawned(child, name);
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      place.guard.forget(pid);
      resolve(signal === null ? `exit code ${code}` : signal);
    });
  });
  const started: ServerProcess = {
    name,
    pid,
    exited,
    signal: (signal) => void child.kill(signal),
    stop: (deadlineMs) => stopChild({ child, exited, stopSignal, deadlineMs }),
    waitUntilReady: (probe, timeoutMs) => ready({ name, exited, logFile: options.logFile }, probe, timeoutMs),
  };
  await place.onLaunch(started);
  return started;
}

async function spawned(child: ChildProcess, name: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => {
      reject(new AppError('unavailable', `cannot start ${name}: ${cause.message}`, { cause }));
    });
  });
  if (child.pid === undefined) throw new AppError('unavailable', `${name} has no process id`);
  return child.pid;
}

async function stopChild(stop: {
  child: ChildProcess;
  exited: Promise<string>;
  stopSignal: GuardSignal;
  deadlineMs: number;
}): Promise<void> {
  const { child, exited } = stop;
  child.kill('SIGCONT');
  child.kill(`SIG${stop.stopSignal}`);
  const forceful = setTimeout(() => child.kill('SIGKILL'), stop.deadlineMs);
  await exited;
  clearTimeout(forceful);
}

interface Starting {
  readonly name: string;
  readonly exited: Promise<string>;
  readonly logFile: string;
}

async function ready(server: Starting, probe: () => Promise<void>, timeoutMs: number): Promise<void> {
  const { name, logFile } = server;
  let end: string | undefined;
  void server.exited.then((reason) => {
    end = reason;
  });
  const giveUp = () => {
    if (end !== undefined)
      throw new AppError('unavailable', `${name} ended while it started (${end})\n${tailOf(logFile)}`);
  };
  await untilReady(probe, { what: `${name}, whose log is ${logFile},`, timeoutMs, giveUp });
}

function tailOf(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
  return [...lines.map((line) => `  | ${line}`), `  the whole log: ${logFile}`].join('\n');
}
