import { readMachine } from '../../src/config.ts';
import { dockerAnswers } from '../../src/local/docker-servers.ts';
import { startLocalServers } from '../../src/local/local-servers.ts';
import { SERVER_VARIABLES } from './servers.ts';

let stop: (() => Promise<void>) | undefined;

/**
 * Starts one set of servers for the whole run, unless the environment names servers already: containers where a Docker
 * engine answers, else processes of this machine.
 */
export async function setup(): Promise<void> {
  if (Object.values(SERVER_VARIABLES).every((name) => process.env[name])) return;
  const servers = (await dockerAnswers()) ? await containers() : await processes();
  stop = servers.stop;
  process.env[SERVER_VARIABLES.kafkaBrokers] = String(servers.kafkaBrokers);
  process.env[SERVER_VARIABLES.schemaRegistryUrl] = servers.schemaRegistryUrl;
  process.env[SERVER_VARIABLES.databaseUrl] = servers.databaseUrl;
}

export async function teardown(): Promise<void> {
  await stop?.();
}

async function containers() {
  // Loaded only here: it is large, and most machines that run the tests without Docker never need it.
  const { startContainers } = await import('./containers.ts');
  return startContainers();
}

function processes() {
  return startLocalServers({ ...readMachine(), ephemeral: true, progress: (line) => console.error(line) });
}
