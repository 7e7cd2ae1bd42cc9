import { parseArgs } from 'node:util';
import { type BootstrapReport, bootstrap, checkBootstrap } from '../compose/bootstrap.ts';
import { readConfig } from '../config.ts';
import { createLogger } from '../infrastructure/telemetry/logger.ts';
import type { Command } from './command.ts';

const USAGE = `posthorn bootstrap [--check]

Prepares the servers that the environment names: tables in PostgreSQL, topics in Kafka, schemas in the registry and the
catalogue of event types. May be repeated, also while Posthorn runs.

  --check   only report what is missing; exit code 1 when something is
`;

/** `posthorn bootstrap`: what `serve` needs to find. */
export const bootstrapCommand: Command = {
  name: 'bootstrap',
  summary: 'prepare database, topics and schemas',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({ args: [...args], options: { check: { type: 'boolean', default: false } } });
    const config = readConfig();
    const log = createLogger('warn');
    const report = values.check ? await checkBootstrap(config, log) : await bootstrap(config, log);
    const lines = linesOf(report, values.check ? 'missing' : 'made');
    console.log(lines.length === 0 ? 'Everything is in place.' : lines.join('\n'));
    return values.check && lines.length > 0 ? 1 : 0;
  },
};

function linesOf({ migrations, topics, eventTypes }: BootstrapReport, word: string): string[] {
  const kinds = [
    ['migration', migrations],
    ['topic', topics],
    ['event type', eventTypes],
  ] as const;
  return kinds.flatMap(([kind, names]) => names.map((name) => `${word}: ${kind} ${name}`));
}
