import { type DestinationStream, type LoggerOptions, type Logger as PinoLogger, pino, stdSerializers } from 'pino';
import { withoutSecrets } from './secret-fields.ts';

/**
 * What we use of a pino logger; no children, because pino lets their bindings pass unseen. One rich, event-named line per
 * unit of work; never payloads, never secrets.
 */
export type Logger = Pick<PinoLogger, 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'isLevelEnabled'>;

/** Lines wait for company at most this long: a write for each of them costs more than making it. */
const FLUSH_EVERY_MS = 100;
const FLUSH_AT_BYTES = 8 * 1024;
/** Lines in memory while nobody reads our output; beyond it lines are dropped, never deliveries. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Creates the process's logger. `level` is a pino level name; lines are JSON on stdout unless `destination` is given. */
export function createLogger(level: string, destination: DestinationStream = bufferedOutput()): Logger {
  return pino(optionsFor(level), destination);
}

/** A logger that writes nothing, for tests and for commands whose output is for people. */
export function createSilentLogger(): Logger {
  return pino({ level: 'silent' });
}

// pino's own `redact` costs four times what the whole line costs without it, on each line.
function optionsFor(level: string): LoggerOptions {
  return {
    level,
    base: { pid: process.pid },
    formatters: { log: (fields) => withoutSecrets(fields) },
    serializers: { err: describeError },
  };
}

function describeError(error: unknown): unknown {
  return error instanceof Error ? withoutSecrets({ ...stdSerializers.err(error) }) : error;
}

/** Flushed at exit as well. Never blocks the event loop, as writes to a full pipe do that are not asynchronous. */
function bufferedOutput(): DestinationStream {
  return pino.destination({
    dest: process.stdout.fd,
    sync: false,
    minLength: FLUSH_AT_BYTES,
    maxLength: MAX_WAITING_BYTES,
    periodicFlush: FLUSH_EVERY_MS,
  });
}
