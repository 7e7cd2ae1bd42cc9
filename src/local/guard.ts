import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

/**
 * Ends our servers when we die without ending them ourselves, by SIGKILL for instance.
 *
 * A tiny shell holds the reading end of a pipe whose writing end only we have. The kernel closes it whatever ends us;
 * the shell then stops every process still on its list and removes the folders it was told of. It runs in its own
 * session, so that what hits our process group (Ctrl-C, a closed terminal) leaves it alone.
 */
const GUARD_SCRIPT = `
trap '' HUP INT TERM QUIT PIPE
watched=''
command=''
while IFS=' ' read -r action value; do
  case $action in
    watch) watched="$watched $value" ;;
    forget)
      kept=''
      for entry in $watched; do [ "\${entry%:*}" = "$value" ] || kept="$kept $entry"; done
      watched=$kept ;;
    remove) set -- "$@" "$value" ;;
    run) command=$value ;;
    release) exit 0 ;;
  esac
done
for entry in $watched; do kill -CONT "\${entry%:*}"; kill -"\${entry#*:}" "\${entry%:*}"; done
tries=0
while [ $tries -lt 80 ]; do
  alive=''
  for entry in $watched; do kill -0 "\${entry%:*}" && alive=yes; done
  [ -n "$alive" ] || break
  tries=$((tries + 1)); sleep 0.1
done
for entry in $watched; do kill -KILL "\${entry%:*}"; done
[ -z "$command" ] || sh -c "$command"
[ $# -eq 0 ] || rm -rf -- "$@"
`;

export type GuardSignal = 'TERM' | 'INT' | 'QUIT' | 'KILL';

/** Outlives us, and cleans up after us. */
export interface Guard {
  /** This process gets `signal` when we die, and SIGKILL 8 s later. */
  watch(pid: number, signal: GuardSignal): void;
  /** The process has ended; its id may soon belong to somebody else. */
  forget(pid: number): void;
  /** This file or folder goes when we die. */
  removeAtDeath(path: string): void;
  /** This shell command runs when we die. */
  runAtDeath(command: string): void;
  /** All is stopped and removed: the guard ends and does nothing more. */
  release(): void;
}

/** Starts the guard; `paths` are removed when we die. */
export function startGuard(paths: readonly string[] = []): Guard {
  const shell = spawn('/bin/sh', ['-c', GUARD_SCRIPT, 'posthorn-guard'], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const { stdin } = shell;
  // A guard that cannot start or was killed protects nothing, but the servers run; the pid file covers the rest.
  shell.on('error', () => undefined);
  stdin.on('error', () => undefined);
  // Neither the shell nor the pipe keeps our event loop alive.
  shell.unref();
  if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();
  const tell = (line: string) => void stdin.write(`${line}\n`);
  for (const path of paths) tell(`remove ${resolve(path)}`);
  return {
    watch: (pid, signal) => tell(`watch ${pid}:${signal}`),
    forget: (pid) => tell(`forget ${pid}`),
    removeAtDeath: (path) => tell(`remove ${resolve(path)}`),
    runAtDeath: (command) => tell(`run ${command}`),
    release: () => void stdin.end('release\n'),
  };
}
