import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { memoryOf, type RolePlace, spawnRole } from '../bench/processes.ts';
import { AppError } from '../domain/errors.ts';
import type { Guard } from '../local/guard.ts';

export type Environment = Readonly<Record<string, string>>;

/** How one process is started; the same again after every kill, unless a row says otherwise. */
export interface MemberPlan {
  readonly roles: string;
  readonly environment?: Environment;
  readonly nodeArgs?: readonly string[];
  readonly script?: string;
  readonly runWith?: readonly string[];
}

/** What `serve --ready-file` writes. */
interface ReadyFile {
  readonly pid: number;
  readonly apiUrl: string | null;
  readonly opsUrl: string;
}

interface Member {
  readonly plan: MemberPlan;
  readonly child: ChildProcess;
  /** Whether it was us who ended it. */
  isEnded: boolean;
}

/** What a process holds. */
export interface Footprint {
  readonly memoryBytes: number;
  readonly descriptors: number;
}

export interface FleetOptions {
  /** For logs and ready files. */
  readonly folder: string;
  readonly environment: Environment;
  /** Ends the processes when we are killed. */
  readonly guard: Guard;
}

const READY_TIMEOUT_MS = 90_000;
const POLL_MS = 50;

/** The Posthorn of a run: one process per member, each of which can be killed, stopped, frozen and started again. */
export class Fleet {
  readonly #folder: string;
  readonly #guard: Guard;
  readonly #environment: Environment;
  readonly #members = new Map<string, Member>();

  constructor({ folder, environment, guard }: FleetOptions) {
    this.#folder = folder;
    this.#environment = environment;
    this.#guard = guard;
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** Starts a process; does not wait until it serves. A member that runs already is left alone. */
  start(name: string, plan: MemberPlan): void {
    if (this.isRunning(name)) return;
    rmSync(this.#readyFileOf(name), { force: true });
    const instance = String(Number(/\d+$/.exec(name)?.[0] ?? 0));
    const environment = { ...this.#environment, POSTHORN_INSTANCE: instance, ...plan.environment };
    const place: RolePlace = { ...plan, folder: this.#folder, readyFile: this.#readyFileOf(name), name };
    const child = spawnRole(plan.roles, environment, place);
    const { pid } = child;
    if (pid !== undefined) {
      this.#guard.watch(pid, 'KILL');
      child.once('exit', () => this.#guard.forget(pid));
    }
    this.#members.set(name, { plan, child, isEnded: false });
  }

  /** Resolves once the process serves; rejects when it ends first. */
  async ready(name: string): Promise<ReadyFile> {
    const file = this.#readyFileOf(name);
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (!existsSync(file)) {
      if (!this.isRunning(name)) throw new AppError('unavailable', `${name} ended while it started`);
      if (performance.now() > deadlineMs) throw new AppError('unavailable', `${name} is not ready in time`);
      await delay(POLL_MS);
    }
    const content: ReadyFile = JSON.parse(readFileSync(file, 'utf8'));
    return content;
  }

  /** Starts every member that does not run and waits until all serve. */
  async ensure(plans: Readonly<Record<string, MemberPlan>>): Promise<void> {
    for (const [name, plan] of Object.entries(plans)) this.start(name, plan);
    for (const name of Object.keys(plans)) await this.ready(name);
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  isRunning(name: string): boolean {
    const child = this.#members.get(name)?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#childOf(name).kill(signal);
  }

  /** A crash; resolves when the process is gone. */
  async kill(name: string): Promise<void> {
    await this.#end(name, 'SIGKILL');
  }

  /** An orderly stop; resolves with the exit code and how long it took, seconds. */
  async stop(name: string): Promise<{ code: number | null; seconds: number }> {
    const startedMs = performance.now();
    const code = await this.#end(name, 'SIGTERM');
    return { code, seconds: (performance.now() - startedMs) / 1000 };
  }

  /** Resolves when the process has ended by itself, or after the time given; tells whether it ended. */
  async ended(name: string, timeoutMs: number): Promise<boolean> {
    for (const deadlineMs = performance.now() + timeoutMs; performance.now() < deadlineMs; await delay(POLL_MS)) {
      if (!this.isRunning(name)) return true;
    }
    return !this.isRunning(name);
  }

  async restart(name: string, plan = this.planOf(name)): Promise<void> {
    this.start(name, plan);
    await this.ready(name);
  }

  planOf(name: string): MemberPlan {
    const member = this.#members.get(name);
    if (member === undefined) throw new AppError('not_found', `there is no process ${name}`);
    return member.plan;
  }

  footprintOf(name: string): Footprint & { readonly pid: number } {
    const { pid = 0 } = this.#childOf(name);
    return { pid, memoryBytes: memoryOf(pid), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  }

  /** The log of a member so far, one parsed object a line; lines that are none are left out. */
  logOf(name: string): Readonly<Record<string, unknown>>[] {
    const file = join(this.#folder, 'logs', `${name}.log`);
    if (!existsSync(file)) return [];
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map(parsed);
  }

  /** Members that ended although nobody ended them, with the last words of each; asking forgets them. */
  takeUnexpectedEnds(): string[] {
    return [...this.#members].flatMap(([name, member]) => {
      if (this.isRunning(name) || member.isEnded) return [];
      member.isEnded = true;
      const { exitCode, signalCode } = member.child;
      return [`${name} ended by itself (${exitCode ?? signalCode}): ${JSON.stringify(this.logOf(name).at(-1))}`];
    });
  }

  async stopAll(): Promise<void> {
    await Promise.all(
      this.names.map(async (name) => {
        if (!this.isRunning(name)) return;
        this.signal(name, 'SIGCONT');
        await this.kill(name);
      }),
    );
  }

  async #end(name: string, signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#childOf(name);
    if (!this.isRunning(name)) return child.exitCode;
    this.#expectEnd(name);
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  #expectEnd(name: string): void {
    const member = this.#members.get(name);
    if (member !== undefined) member.isEnded = true;
  }

  #childOf(name: string): ChildProcess {
    const member = this.#members.get(name);
    if (member === undefined) throw new AppError('not_found', `there is no process ${name}`);
    return member.child;
  }

  #readyFileOf(name: string): string {
    return join(this.#folder, `${name}.ready.json`);
  }
}

function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line);
  } catch {
    // The last line may still be written.
    return {};
  }
}
