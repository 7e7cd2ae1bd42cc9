import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalPosthorn, startLocalPosthorn } from '../local/local-posthorn.ts';
import { openReadyFile } from '../local/ready-file.ts';
import type { Command } from './command.ts';
import { runDemo } from './demo.ts';
import { listenForStop } from './stop-signals.ts';

const USAGE = `posthorn up [--ephemeral] [--demo [--once]] [--ready-file F]

Starts everything on this machine: Kafka, a schema registry, PostgreSQL and Posthorn, with an API key for the tenant
"local". Runs until Ctrl-C. Deliveries may go to this machine (loopback, any port).

  --ephemeral       free ports and a temporary data folder, removed at exit
  --demo            also a local HTTPS receiver with webhooks, and events of every type
  --once            with --demo: end after the first round; exit code 0 only if every delivery arrived and verified
  --ready-file F    JSON file (mode 600) with addresses and keys once all of it serves; removed at exit
`;

const OPTIONS = {
  ephemeral: { type: 'boolean', default: false },
  demo: { type: 'boolean', default: false },
  once: { type: 'boolean', default: false },
  'ready-file': { type: 'string' },
} as const;

/** `posthorn up`: all of it on one machine. */
export const upCommand: Command = {
  name: 'up',
  summary: 'start everything on this machine',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const { ephemeral, demo, once } = values;
    const readyFile = openReadyFile(values['ready-file']);
    const stop = listenForStop();
    const progress = (line: string) => console.error(line);
    const removeAtDeath = values['ready-file'] === undefined ? [] : [values['ready-file']];
    let posthorn: LocalPosthorn | null = null;
    try {
      posthorn = await startLocalPosthorn({ ephemeral, removeAtDeath, progress, signal: stop.signal });
      readyFile.write({ ...posthorn.ready });
      if (demo) return await runDemo(posthorn, { once, stop });
      console.log(summaryOf(posthorn));
      const failure = await Promise.race([stop.requested, posthorn.failure]);
      if (failure === undefined) return 0;
      console.error(`${failure.message}; logs are in ${join(posthorn.dataDir, 'logs')}`);
      return 1;
    } catch (error) {
      if (stop.signal.aborted) return 0;
      throw error;
    } finally {
      readyFile.remove();
      await posthorn?.stop();
      stop.dispose();
    }
  },
};

function summaryOf({ ready, dataDir, presets }: LocalPosthorn): string {
  return [
    'Posthorn is up. Ctrl-C stops it.',
    `  API       ${ready.apiUrl}   (documentation: ${ready.apiUrl}/docs)`,
    `  API key   ${ready.apiKey}   (tenant ${ready.tenantId})`,
    `  ops       ${ready.opsUrl}/readyz`,
    `  Kafka     ${ready.kafkaBrokers}`,
    `  registry  ${ready.schemaRegistryUrl}`,
    `  data      ${dataDir}`,
    ...presets.map((line) => `  note      ${line}`),
    '',
    'Your first webhook:',
    `  posthorn listen                      # in another terminal: a receiver at https://localhost:8443`,
    `  curl -s -X POST ${ready.apiUrl}/api/v1/webhooks/ -H 'Authorization: Bearer ${ready.apiKey}' \\`,
    `    -H 'Content-Type: application/json' -d '{"event_type":"all","webhook_url":"https://localhost:8443/"}'`,
    `  posthorn publish --tenant ${ready.tenantId} --type screening.completed`,
  ].join('\n');
}
