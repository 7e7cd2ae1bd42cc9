import { resolve } from 'node:path';
import { DockerComposeEnvironment } from 'testcontainers';
import { freePorts } from '../../src/local/free-port.ts';
import type { TestServers } from './servers.ts';

/** The servers of `docker-compose.yml` for one test run; `stop` removes them and their volumes. */
export interface ContainerServers extends TestServers {
  stop(): Promise<void>;
}

/** Starts them on free ports and resolves when their health checks pass. Needs a Docker engine that answers. */
export async function startContainers(): Promise<ContainerServers> {
  const [kafka = 0, registry = 0, postgres = 0] = await freePorts(3);
  const environment = await new DockerComposeEnvironment(resolve('.'), 'docker-compose.yml')
    .withEnvironment({
      POSTHORN_KAFKA_PORT: String(kafka),
      POSTHORN_REGISTRY_PORT: String(registry),
      POSTHORN_POSTGRES_PORT: String(postgres),
    })
    .up(['kafka', 'registry', 'postgres']);
  return {
    kafkaBrokers: [`127.0.0.1:${kafka}`],
    schemaRegistryUrl: `http://127.0.0.1:${registry}/apis/ccompat/v7`,
    databaseUrl: `postgres://posthorn:posthorn@127.0.0.1:${postgres}/posthorn`,
    stop: async () => {
      await environment.down({ removeVolumes: true });
    },
  };
}
