import { AppError } from '../domain/errors.ts';
import type { DataFolder } from './data-folder.ts';
import type { Guard } from './guard.ts';
import type { ServerPlace } from './server-place.ts';
import type { ServerProcess } from './server-process.ts';

/** A server that has not ended in order by then is forced. */
const STOP_DEADLINE_MS = 15_000;

/** The servers of one data folder: launched one by one, watched and stopped together. */
export interface ServerSet {
  readonly place: ServerPlace;
  /** All `count` servers answer: from now on, one that ends is a failure. Throws when one has ended already. */
  ready(count: number): void;
  pids(): Record<string, number[]>;
  /** Resolves when a server ends that nobody stopped. */
  readonly failure: Promise<Error>;
  /** Stops all servers, and those that are launched later. The folder stays: somebody may still be writing to it. */
  stopServers(): Promise<void>;
  /** Stops all servers, then gives the folder back: only when none is being started. May be called twice and at once. */
  stop(): Promise<void>;
}

export interface ServerSetOptions extends Pick<ServerPlace, 'cacheDir' | 'ephemeral' | 'progress' | 'signal'> {
  readonly folder: DataFolder;
  readonly guard: Guard;
}

export function createServerSet({ folder, guard, ...where }: ServerSetOptions): ServerSet {
  const running = new Set<ServerProcess>();
  const failure = Promise.withResolvers<Error>();
  let isReady = false;
  let ended: Promise<unknown> | undefined;
  let stopped: Promise<void> | undefined;

  const onLaunch = async (process: ServerProcess) => {
    running.add(process);
    folder.recordProcesses([...running].map(({ pid }) => pid));
    void process.exited.then((reason) => {
      running.delete(process);
      if (isReady && ended === undefined) failure.resolve(failed(`${process.name} ended (${reason})`));
    });
    if (ended !== undefined) await process.stop(0);
  };
  const stopServers = async () => {
    ended ??= Promise.all([...running].map((process) => process.stop(STOP_DEADLINE_MS)));
    await ended;
  };
  const stopAll = async () => {
    await stopServers();
    folder.close();
    guard.release();
  };
  const stop = () => {
    stopped ??= stopAll();
    return stopped;
  };
  const { path: dataDir, logFolder, temporaryFolder } = folder;
  return {
    place: { ...where, dataDir, logFolder, temporaryFolder, guard, onLaunch },
    ready: (count) => {
      if (running.size < count) throw failed('a server ended while the others started');
      isReady = true;
    },
    pids: () => Object.fromEntries([...running].map(({ name, pid }) => [name, [pid]])),
    failure: failure.promise,
    stopServers,
    stop,
  };
}

function failed(message: string): AppError {
  return new AppError('unavailable', message);
}
