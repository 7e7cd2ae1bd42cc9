import { LOCAL_HOST } from './free-port.ts';
import type { Tuning } from './java.ts';

export interface BrokerAddress {
  readonly nodeId: number;
  readonly port: number;
  readonly controllerPort: number;
}

export interface BrokerSettings extends BrokerAddress {
  /** All nodes of the cluster, this one too. */
  readonly cluster: readonly BrokerAddress[];
  readonly dataFolder: string;
  readonly tuned: Tuning;
  /** Settings that this cluster wants otherwise. */
  readonly overrides?: Readonly<Record<string, string | number>> | undefined;
}

/** The server.properties of one combined KRaft node. */
export function brokerProperties(settings: BrokerSettings): string {
  const properties = {
    ...listenerProperties(settings),
    ...replicationProperties(settings.cluster.length),
    ...sizeProperties(settings.tuned),
    ...settings.overrides,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function listenerProperties({ nodeId, port, controllerPort, cluster, dataFolder }: BrokerSettings) {
  return {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    'controller.quorum.voters': cluster.map((node) => `${node.nodeId}@${LOCAL_HOST}:${node.controllerPort}`).join(','),
    listeners: `PLAINTEXT://${LOCAL_HOST}:${port},CONTROLLER://${LOCAL_HOST}:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${LOCAL_HOST}:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': dataFolder,
  };
}

function replicationProperties(brokers: number) {
  const replication = Math.min(3, brokers);
  const minIsr = replication === 3 ? 2 : 1;
  return {
    'default.replication.factor': replication,
    'min.insync.replicas': minIsr,
    'offsets.topic.replication.factor': replication,
    'transaction.state.log.replication.factor': replication,
    'transaction.state.log.min.isr': minIsr,
    'share.coordinator.state.topic.replication.factor': replication,
    'share.coordinator.state.topic.min.isr': minIsr,
    ...(brokers > 1 ? FAST_FAILURE_DETECTION : {}),
  };
}

/** A lost broker is noticed within 3 s instead of 9, a lost controller within 1 s instead of 2. */
const FAST_FAILURE_DETECTION = {
  'broker.session.timeout.ms': 3000,
  'broker.heartbeat.interval.ms': 500,
  'controller.quorum.fetch.timeout.ms': 1000,
  'replica.lag.time.max.ms': 5000,
};

function sizeProperties(tuned: Tuning) {
  const common = {
    // A topic that a typing error made would swallow events.
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1000,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.num.partitions': 1,
    // 128 MiB by default, more than a small heap has to give.
    'log.cleaner.dedupe.buffer.size': 2 * 1024 * 1024,
  };
  return tuned === 'bench' ? common : { ...common, 'num.network.threads': 2, 'num.io.threads': 4 };
}
