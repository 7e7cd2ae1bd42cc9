import { parseArgs } from 'node:util';
import { readConfig, readMachine } from '../config.ts';
import { startInfrastructure } from '../local/infrastructure.ts';
import type { LocalServers, LocalServersOptions } from '../local/local-servers.ts';
import { openReadyFile, type ReadyFile } from '../local/ready-file.ts';
import type { Command } from './command.ts';
import { listenForStop, type StopSignals } from './stop-signals.ts';

const USAGE = `posthorn infra [--ephemeral] [--ready-file F]

Starts Kafka, a schema registry and PostgreSQL for this machine and keeps them running until Ctrl-C. With a Docker engine
that answers it uses the images of docker-compose.yml, otherwise real servers as processes of your own.

  --ephemeral       free ports and a temporary data folder, removed at exit
  --ready-file F    JSON file (mode 600) that tells addresses and keys once all of it serves; removed at exit
`;

/** `posthorn infra`: the servers that Posthorn needs, in the foreground. */
export const infraCommand: Command = {
  name: 'infra',
  summary: 'start Kafka, a schema registry and PostgreSQL on this machine',
  usage: USAGE,
  run: async (args) => {
    const options = { ephemeral: { type: 'boolean' }, 'ready-file': { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...args], options });
    const readyPath = values['ready-file'];
    const readyFile = openReadyFile(readyPath);
    const stop = listenForStop();
    try {
      const ephemeral = values.ephemeral ?? false;
      const removeAtDeath = readyPath === undefined ? [] : [readyPath];
      return await runUntilStop({ ephemeral, removeAtDeath }, readyFile, stop);
    } finally {
      readyFile.remove();
      stop.dispose();
    }
  },
};

type InfraOptions = Required<Pick<LocalServersOptions, 'ephemeral' | 'removeAtDeath'>>;

async function runUntilStop(options: InfraOptions, readyFile: ReadyFile, stop: StopSignals): Promise<number> {
  const { dataDir } = readConfig();
  const progress = (line: string) => console.error(line);
  const { signal } = stop;
  const starting = startInfrastructure({ ...readMachine(), ...options, dataDir, progress, signal });
  const servers = await starting.catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (servers === undefined) return 0;
  try {
    const { kafkaBrokers, schemaRegistryUrl, databaseUrl, secretKeys, pids } = servers;
    readyFile.write({ kafkaBrokers, schemaRegistryUrl, databaseUrl, secretKeys, pids });
    console.log(summaryOf(servers, options.ephemeral));
    const failure = await Promise.race([stop.requested, servers.failure]);
    if (failure === undefined) return 0;
    console.error(`${failure.message}; its log is in ${servers.dataDir}/logs`);
    return 1;
  } finally {
    readyFile.remove();
    await servers.stop();
  }
}

function summaryOf(servers: LocalServers, ephemeral: boolean): string {
  return [
    'All servers answer. Ctrl-C stops them.',
    `  Kafka            ${servers.kafkaBrokers}`,
    `  schema registry  ${servers.schemaRegistryUrl}`,
    `  PostgreSQL       ${servers.databaseUrl}`,
    `  data and logs    ${servers.dataDir}${ephemeral ? ' (removed at exit)' : ''}`,
    '',
    'For Posthorn in another terminal:',
    `  export POSTHORN_KAFKA_BROKERS=${servers.kafkaBrokers}`,
    `  export POSTHORN_SCHEMA_REGISTRY_URL=${servers.schemaRegistryUrl}`,
    `  export POSTHORN_DATABASE_URL=${servers.databaseUrl}`,
    `  export POSTHORN_SECRET_KEYS="$(cat ${servers.dataDir}/secret-keys)"`,
  ].join('\n');
}
