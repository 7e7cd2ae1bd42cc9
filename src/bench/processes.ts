import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Linux counts CPU time in ticks of a hundredth of a second (`getconf CLK_TCK`). */
const TICK_US = 10_000;

/** CPU time of a process so far, microseconds; 0 when it is gone. */
export function cpuUsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    // It has ended: what it used before counts no more.
    return 0;
  }
}

/** CPU time of a process, of its children and of children that have ended, microseconds. */
export function cpuUsOfFamily(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, one) => sum + cpuUsOf(one), 0);
}

/** Resident memory of a process, bytes. */
export function memoryOf(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return pages * 4096;
}

/** The direct children of a process that run now. */
export function childrenOf(pid: number): number[] {
  const isChild = (entry: string) => {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && isChild(entry))
    .map(Number);
}

const CLI = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../cli.ts' : '../cli.js', import.meta.url));

/** A script of this folder as a process with a channel for messages. */
export function forkScript(name: string, args: readonly string[] = []): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fork(fileURLToPath(new URL(`${name}.${extension}`, import.meta.url)), args, {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
}

/** Where a process leaves its traces, and with what it runs. */
export interface RolePlace {
  readonly folder: string;
  readonly readyFile: string;
  /** The name of its log; the role's unless given. */
  readonly name?: string;
  /** More for the command line of Node. */
  readonly nodeArgs?: readonly string[];
  /** The script to run instead of `posthorn`; it takes the same arguments. */
  readonly script?: string;
  /** What to run it with: a program and its arguments, before the command line of Node. */
  readonly runWith?: readonly string[];
}

/** One `posthorn serve` of a role, or of several with commas between, with its log in a file. */
export function spawnRole(
  role: string,
  environment: Readonly<Record<string, string>>,
  { folder, readyFile, name = role, nodeArgs = [], script = CLI, runWith = [] }: RolePlace,
): ChildProcess {
  const log = openSync(`${folder}/logs/${name}.log`, 'a');
  const serve = [script, 'serve', '--roles', role, '--ready-file', readyFile];
  const [command = process.execPath, ...args] = [
    ...runWith,
    process.execPath,
    ...process.execArgv,
    ...nodeArgs,
    ...serve,
  ];
  const child = spawn(command, args, { env: { ...environment }, stdio: ['ignore', log, log] });
  closeSync(log);
  return child;
}

/** Asks a process over its channel and waits for the next answer. */
export async function ask<T>(child: ChildProcess, question: object): Promise<T> {
  const answer = once(child, 'message');
  child.send(question);
  const [message] = (await answer) as [T];
  return message;
}

/** Ends a process in order, and resolves when it has. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
