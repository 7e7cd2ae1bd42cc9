import { join } from 'node:path';
import { probeBrokers } from '../infrastructure/kafka/broker-probe.ts';
import { createEphemeralFolder } from './data-folder.ts';
import { freePorts, retryTakenPorts } from './free-port.ts';
import { startGuard } from './guard.ts';
import { findJava, type Tuning } from './java.ts';
import { kafkaUuid } from './kafka-installation.ts';
import type { BrokerAddress } from './kafka-properties.ts';
import { addressOf, type Kafka, launchBroker, prepareKafka } from './kafka-server.ts';
import { noProgress, type Progress } from './progress.ts';
import type { ServerPlace } from './server-place.ts';
import type { CommandWrap, ServerProcess } from './server-process.ts';
import { createServerSet, type ServerSet } from './server-set.ts';

const READY_TIMEOUT_MS = 60_000;
/** A controlled shutdown moves leaders away first; without a quorum it never ends by itself. */
const CONTROLLED_STOP_MS = 15_000;

export interface KafkaClusterOptions {
  readonly cacheDir: string;
  readonly javaHome?: string | undefined;
  /** 3 when absent: replication 3, `min.insync.replicas` 2, one broker may fail. */
  readonly brokers?: number;
  readonly tuned?: Tuning;
  readonly progress?: Progress;
  /** Broker settings (server.properties) that a test wants otherwise, for all brokers or for each. */
  readonly overrides?: BrokerOverrides | ((node: BrokerAddress) => BrokerOverrides);
  /** Runs each broker inside something else, a namespace for instance. */
  readonly wrap?: CommandWrap;
}

export type BrokerOverrides = Readonly<Record<string, string | number>>;

/** One broker, on which every kind of fault can be tried. Address and data stay the same through all of them. */
export interface ClusterBroker {
  readonly nodeId: number;
  readonly address: string;
  /** False also when it ended by itself. */
  readonly isRunning: boolean;
  /** Starts it again and resolves when it serves; its replicas may still be catching up. */
  start(): Promise<void>;
  /** Ends it in order: leaders move away first. */
  stop(): Promise<void>;
  /** A crash. */
  kill(): Promise<void>;
  /** A hang: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

export interface KafkaCluster {
  readonly kafkaBrokers: string;
  /** Where the brokers keep their data and logs. */
  readonly dataDir: string;
  readonly brokers: readonly ClusterBroker[];
  /** Ends all brokers at once and removes their data. */
  stop(): Promise<void>;
}

/** Starts several brokers on this machine, in a temporary folder, and resolves when all of them serve. */
export async function startKafkaCluster(options: KafkaClusterOptions): Promise<KafkaCluster> {
  const { cacheDir, progress = noProgress } = options;
  const java = await findJava(options.javaHome);
  const guard = startGuard();
  const folder = createEphemeralFolder(guard);
  const set = createServerSet({ folder, guard, cacheDir, ephemeral: true, progress });
  try {
    const kafka = await prepareKafka(java, set.place);
    const clusterId = kafkaUuid();
    const brokers = await retryTakenPorts(() => startBrokers({ kafka, set, clusterId, options }));
    const kafkaBrokers = brokers.map(({ address }) => address).join(',');
    const stop = async () => {
      await Promise.all(brokers.map((broker) => broker.kill()));
      await set.stop();
    };
    return { brokers, kafkaBrokers, dataDir: folder.path, stop };
  } catch (error) {
    await set.stop();
    throw error;
  }
}

interface Cluster {
  readonly kafka: Kafka;
  readonly set: ServerSet;
  readonly clusterId: string;
  readonly options: KafkaClusterOptions;
}

async function startBrokers(cluster: Cluster): Promise<ClusterBroker[]> {
  const nodes = await chooseAddresses(cluster.options.brokers ?? 3);
  const running = new Set<number>();
  const brokers = nodes.map((node) => createBroker(cluster, { node, nodes, running }));
  const starting = brokers.map((broker) => broker.start());
  await Promise.allSettled(starting);
  try {
    await Promise.all(starting);
  } catch (error) {
    await Promise.all(brokers.map((broker) => broker.kill()));
    throw error;
  }
  return brokers;
}

async function chooseAddresses(count: number): Promise<BrokerAddress[]> {
  const ports = await freePorts(2 * count);
  return Array.from({ length: count }, (_, index) => ({
    nodeId: index + 1,
    port: ports[2 * index] ?? 0,
    controllerPort: ports[2 * index + 1] ?? 0,
  }));
}

interface Membership {
  readonly node: BrokerAddress;
  readonly nodes: readonly BrokerAddress[];
  /** Ids of the brokers that run and are not paused. */
  readonly running: Set<number>;
}

function createBroker(
  { kafka, set, clusterId, options }: Cluster,
  { node, nodes, running }: Membership,
): ClusterBroker {
  const { nodeId } = node;
  const { tuned = 'test', overrides: wanted, wrap } = options;
  const overrides = typeof wanted === 'function' ? wanted(node) : wanted;
  // Folder and logs go at the end, but a stop of one broker is a real one, so its process is no throw-away.
  const place: ServerPlace = { ...set.place, ephemeral: false, ...(wrap === undefined ? {} : { wrap }) };
  let process: ServerProcess | undefined;
  const end = async (how: (process: ServerProcess) => Promise<unknown>) => {
    running.delete(nodeId);
    if (process !== undefined) await how(process);
    process = undefined;
  };
  const noteEnd = (ended: ServerProcess) => {
    if (process !== ended) return;
    process = undefined;
    running.delete(nodeId);
  };
  return {
    nodeId,
    address: addressOf(node),
    get isRunning() {
      return process !== undefined;
    },
    start: async () => {
      if (process !== undefined) return;
      const dataFolder = join(place.dataDir, `kafka-${nodeId}`);
      const settings = { ...node, cluster: nodes, dataFolder, tuned, overrides };
      running.add(nodeId);
      const launched = await launchBroker(kafka, settings, { place, name: `kafka-${nodeId}`, clusterId });
      process = launched;
      void launched.exited.then(() => noteEnd(launched));
      await launched.waitUntilReady(() => probeBrokers([addressOf(node)], running.size), READY_TIMEOUT_MS);
    },
    stop: () => end((running) => running.stop(CONTROLLED_STOP_MS)),
    kill: () => end((running) => running.stop(0)),
    pause: () => {
      running.delete(nodeId);
      process?.signal('SIGSTOP');
    },
    resume: () => {
      running.add(nodeId);
      process?.signal('SIGCONT');
    },
  };
}
