import { spawn } from 'node:child_process';

export interface CommandResult {
  /** 0 is success; `undefined` when the program is not there or was ended by a signal. */
  readonly exitCode: number | undefined;
  readonly found: boolean;
  /** Both output streams, in the order in which they came. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called for every piece of output as it comes. */
  readonly onOutput?: (chunk: string) => void;
}

/** Runs a program to its end. A program that fails or does not exist is an answer, not an error. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { cwd = '/', account = {}, timeoutMs, onOutput, signal } = options;
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  // Not spawn's own timeout: its timer stays armed when the program does not exist, and holds up our exit.
  const timeout = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
  const ended = AbortSignal.any([...timeout, ...(signal === undefined ? [] : [signal])]);
  const child = spawn(command, args, { cwd, ...account, stdio, signal: ended });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      output += chunk;
      onOutput?.(chunk);
    });
  }
  return await new Promise((resolve) => {
    child.once('error', (error) => resolve({ exitCode: undefined, found: false, output: error.message }));
    child.once('close', (code) => resolve({ exitCode: code ?? undefined, found: true, output }));
  });
}
