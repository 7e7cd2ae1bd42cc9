import { type Logger as PinoLogger, pino } from 'pino';

/** A pino logger. Log one rich, event-named line per unit of work; never payloads, never secrets. */
export type Logger = PinoLogger;

/** Paths whose values never reach a log line. */
const REDACTED = [
  'secret',
  'secretKey',
  'secret_key',
  'apiKey',
  'api_key',
  'authorization',
  '*.secret',
  '*.apiKey',
  '*.authorization',
];

/** Creates the process's logger. `level` is a pino level name; lines are JSON on stdout unless `destination` is given. */
export function createLogger(level: string, destination?: { write(line: string): void }): Logger {
  const options = { level, redact: { paths: REDACTED, censor: '[secret]' }, base: { pid: process.pid } };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** A logger that writes nothing, for tests and for commands whose output is for people. */
export function createSilentLogger(): Logger {
  return pino({ level: 'silent' });
}
