import { loadEnvFile } from '../config.ts';
import { AppError } from '../domain/errors.ts';
import { VERSION } from '../version.ts';
import { COMMANDS } from './commands.ts';

const MISUSED = 2;

/** Runs a command; the number is the exit code. Expected failures are one line, never a stack trace. */
async function main(args: readonly string[]): Promise<number> {
  const [name = '--help', ...rest] = args;
  if (name === '--version' || name === '-v') {
    console.log(VERSION);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    console.log(helpFor(rest[0]));
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    console.error(`posthorn has no command "${name}". "posthorn --help" lists them.`);
    return MISUSED;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    console.log(command.usage);
    return 0;
  }
  loadEnvFile();
  return command.run(rest);
}

function helpFor(name: string | undefined): string {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) return command.usage;
  const width = Math.max(...COMMANDS.map((candidate) => candidate.name.length));
  const lines = COMMANDS.map((candidate) => `  ${candidate.name.padEnd(width)}  ${candidate.summary}`);
  return `posthorn ${VERSION}: webhooks for events on Kafka\n\nposthorn <command> [options]\n\n${lines.join('\n')}\n\n"posthorn <command> --help" tells more.`;
}

function explain(error: unknown): string {
  if (error instanceof AppError || (isMisuse(error) && error instanceof Error)) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Wrong arguments: `parseArgs` says what is wrong in words for people. */
function isMisuse(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

/** Runs the program and returns its exit code; whatever goes wrong is said in a line. */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    return await main(args);
  } catch (error) {
    console.error(`posthorn: ${explain(error)}`);
    return isMisuse(error) ? MISUSED : 1;
  }
}
