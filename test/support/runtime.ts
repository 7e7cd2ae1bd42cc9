import { readMachine } from '../../src/config.ts';
import { type LocalServers, startLocalServers } from '../../src/local/local-servers.ts';
import { SERVER_VARIABLES } from './servers.ts';

let servers: LocalServers | undefined;

/** Starts one set of ephemeral servers for the whole run, unless the environment names servers already. */
export async function setup(): Promise<void> {
  if (Object.values(SERVER_VARIABLES).every((name) => process.env[name])) return;
  servers = await startLocalServers({
    ...readMachine(),
    ephemeral: true,
    progress: (line) => console.error(line),
  });
  process.env[SERVER_VARIABLES.kafkaBrokers] = servers.kafkaBrokers;
  process.env[SERVER_VARIABLES.schemaRegistryUrl] = servers.schemaRegistryUrl;
  process.env[SERVER_VARIABLES.databaseUrl] = servers.databaseUrl;
}

export async function teardown(): Promise<void> {
  await servers?.stop();
}
