import { dockerAnswers, startDockerServers } from './docker-servers.ts';
import { type LocalServers, type LocalServersOptions, startLocalServers } from './local-servers.ts';
import { noProgress } from './progress.ts';

/** Starts Kafka, registry and PostgreSQL with Docker where an engine answers, else as processes of this machine. */
export async function startInfrastructure(options: LocalServersOptions): Promise<LocalServers> {
  if (!(await dockerAnswers())) return await startLocalServers(options);
  try {
    return await startDockerServers(options);
  } catch (error) {
    if (options.signal?.aborted === true) throw error;
    const { progress = noProgress } = options;
    progress(`Docker cannot: ${error instanceof Error ? error.message : String(error)}`);
    progress('starting the servers as processes of this machine instead');
    return await startLocalServers(options);
  }
}
