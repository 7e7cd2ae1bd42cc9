import { childrenOf } from '../bench/processes.ts';
import { createEphemeralFolder } from '../local/data-folder.ts';
import { freePorts, LOCAL_HOST } from '../local/free-port.ts';
import { type Guard, startGuard } from '../local/guard.ts';
import { findJava } from '../local/java.ts';
import { type KafkaCluster, startKafkaCluster } from '../local/kafka-cluster.ts';
import { databaseUrl, startPostgres } from '../local/postgres-server.ts';
import type { Progress } from '../local/progress.ts';
import { prepareRegistry, registryUrl, startRegistry } from '../local/registry-server.ts';
import { secretKeysIn } from '../local/secret-keys.ts';
import type { CommandWrap, ServerProcess } from '../local/server-process.ts';
import { createServerSet } from '../local/server-set.ts';
import { type FaultyProxy, startFaultyProxy } from './tcp-proxy.ts';

/** PostgreSQL, on which every kind of fault can be tried; address and data stay. */
export interface FaultyPostgres {
  readonly proxy: FaultyProxy;
  kill(): Promise<void>;
  /** Starts it again unless it runs. */
  start(): Promise<void>;
  pause(): void;
  resume(): void;
}

/** The servers of a run; Posthorn reaches all of them through bad networks, the harness itself directly. */
export interface ChaosServers {
  readonly kafka: KafkaCluster;
  /** In front of each broker, in their order. */
  readonly kafkaLinks: readonly FaultyProxy[];
  readonly postgres: FaultyPostgres;
  readonly registryLink: FaultyProxy;
  /** As the processes under test see them. */
  readonly seen: { readonly kafkaBrokers: string; readonly databaseUrl: string; readonly schemaRegistryUrl: string };
  /** Without the bad networks. */
  readonly direct: { readonly kafkaBrokers: string; readonly databaseUrl: string; readonly schemaRegistryUrl: string };
  readonly secretKeys: string;
  /** Ends this process too when we are killed. */
  readonly guard: Guard;
  readonly folder: string;
  stop(): Promise<void>;
}

export interface ChaosServersOptions {
  readonly brokers: number;
  readonly cacheDir: string;
  readonly javaHome?: string | undefined;
  readonly progress: Progress;
  /** Runs PostgreSQL or the brokers inside something else. */
  readonly wrapPostgres?: CommandWrap;
  readonly wrapKafka?: CommandWrap;
}

/** A long stop of a killed PostgreSQL's own children, which still hold its shared memory. */
const START_ATTEMPTS = 40;
const START_PAUSE_MS = 250;

export async function startChaosServers(options: ChaosServersOptions): Promise<ChaosServers> {
  const { cacheDir, progress } = options;
  const closers: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  const keep = <T extends { close(): Promise<void> }>(resource: T): T => {
    closers.push(() => resource.close());
    return resource;
  };
  try {
    const java = await findJava(options.javaHome);
    const guard = startGuard();
    const folder = createEphemeralFolder(guard);
    const set = createServerSet({ folder, guard, cacheDir, ephemeral: true, progress });
    closers.push(() => set.stop());
    const { kafka, kafkaLinks } = await startProxiedKafka(options, closers);
    const registry = await startRegistry(await prepareRegistry(java, set.place), set.place, {
      tuned: 'test',
      storage: { kind: 'memory' },
    });
    const place = options.wrapPostgres === undefined ? set.place : { ...set.place, wrap: options.wrapPostgres };
    const database = await startPostgres(place, { tuned: 'test' });
    const postgresLink = keep(await startFaultyProxy(database.port));
    const registryLink = keep(await startFaultyProxy(registry.port));
    return {
      kafka,
      kafkaLinks,
      registryLink,
      postgres: faultyPostgres(database.process, postgresLink, async () => {
        return (await startPostgres(place, { tuned: 'test', wantedPort: database.port })).process;
      }),
      seen: {
        kafkaBrokers: kafkaLinks.map(({ port }) => `${LOCAL_HOST}:${port}`).join(','),
        databaseUrl: databaseUrl(postgresLink.port),
        schemaRegistryUrl: registryUrl(registryLink.port),
      },
      direct: {
        kafkaBrokers: kafka.kafkaBrokers,
        databaseUrl: databaseUrl(database.port),
        schemaRegistryUrl: registryUrl(registry.port),
      },
      secretKeys: secretKeysIn(folder.path),
      guard,
      folder: folder.path,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export type ProxiedKafkaOptions = Pick<
  ChaosServersOptions,
  'brokers' | 'cacheDir' | 'javaHome' | 'progress' | 'wrapKafka'
>;

/**
 * Brokers behind bad networks: each gets a second listener for clients, whose advertised address is a proxy of ours. What
 * has to be closed is added to `closers`, to be closed from the last to the first.
 */
export async function startProxiedKafka(
  { brokers, cacheDir, javaHome, progress, wrapKafka }: ProxiedKafkaOptions,
  closers: (() => Promise<void>)[],
): Promise<{ kafka: KafkaCluster; kafkaLinks: FaultyProxy[] }> {
  const clientPorts = await freePorts(brokers);
  const kafkaLinks: FaultyProxy[] = [];
  for (const port of clientPorts) {
    const link = await startFaultyProxy(port);
    closers.push(() => link.close());
    kafkaLinks.push(link);
  }
  const kafka = await startKafkaCluster({
    cacheDir,
    javaHome,
    progress,
    brokers,
    ...(wrapKafka === undefined ? {} : { wrap: wrapKafka }),
    overrides: ({ nodeId, port, controllerPort }) => {
      const client = clientPorts[nodeId - 1] ?? 0;
      const proxy = kafkaLinks[nodeId - 1]?.port ?? 0;
      return {
        listeners: `PLAINTEXT://${LOCAL_HOST}:${port},CLIENTS://${LOCAL_HOST}:${client},CONTROLLER://${LOCAL_HOST}:${controllerPort}`,
        'advertised.listeners': `PLAINTEXT://${LOCAL_HOST}:${port},CLIENTS://${LOCAL_HOST}:${proxy}`,
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT',
      };
    },
  });
  closers.push(() => kafka.stop());
  return { kafka, kafkaLinks };
}

function faultyPostgres(
  first: ServerProcess,
  proxy: FaultyProxy,
  launch: () => Promise<ServerProcess>,
): FaultyPostgres {
  let running: ServerProcess | null = null;
  const follow = (process: ServerProcess) => {
    running = process;
    void process.exited.then(() => {
      if (running === process) running = null;
    });
  };
  follow(first);
  return {
    proxy,
    kill: async () => {
      running?.signal('SIGKILL');
      await running?.exited;
      running = null;
    },
    start: async () => {
      for (let attempt = 1; running === null; attempt++) {
        try {
          follow(await launch());
        } catch (error) {
          if (attempt === START_ATTEMPTS) throw error;
          await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
        }
      }
    },
    pause: () => signalFamily(running, 'SIGSTOP'),
    resume: () => signalFamily(running, 'SIGCONT'),
  };
}

/** PostgreSQL serves each connection in a child with a session of its own: stopping the parent alone would stop nothing. */
function signalFamily(parent: ServerProcess | null, signal: NodeJS.Signals): void {
  if (parent === null) return;
  for (const pid of [parent.pid, ...childrenOf(parent.pid)]) process.kill(pid, signal);
}
