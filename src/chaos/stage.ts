import type { Admin } from 'kafkajs';
import { type ApiAccess } from '../bench/api.ts';
import { registerEventTypes } from '../cli/schemas.ts';
import { bootstrap } from '../compose/bootstrap.ts';
import { type Config, readConfigWith, readMachine } from '../config.ts';
import type { PublishRecords } from '../domain/record.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { KafkaPublisher } from '../infrastructure/kafka/publisher.ts';
import { type TopicNames, topicNames } from '../infrastructure/kafka/topics.ts';
import { type Database, openDatabase } from '../infrastructure/postgres/database.ts';
import { issueApiKey } from '../infrastructure/postgres/issue-api-key.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';
import { freePorts, LOCAL_HOST } from '../local/free-port.ts';
import { unprivilegedAccount } from '../local/unprivileged-account.ts';
import { type ChaosDns, startChaosDns } from './dns-server.ts';
import { Fleet, type MemberPlan } from './fleet.ts';
import { ReceiverLedger } from './ledger.ts';
import { CHAOS_EVENT } from './load.ts';
import {
  MAX_UNCOMMITTED,
  type Profile,
  RETRY_JITTER,
  RETRY_SCHEDULE,
  SLOW_REQUESTS,
  YOUNG_REQUESTS,
} from './profile.ts';
import { type ChaosServers, type ChaosServersOptions, startChaosServers } from './servers.ts';
import { makeSmallDisk, type SmallDisk } from './small-disk.ts';
import { type FaultyProxy, startFaultyProxy } from './tcp-proxy.ts';

/** Everything that rows of one group share. The harness itself reaches the servers directly, never through a bad network. */
export interface Stage {
  readonly profile: Profile;
  readonly servers: ChaosServers;
  readonly fleet: Fleet;
  /** Null where the servers have the machine's own disk. */
  readonly disks: { readonly kafka: SmallDisk; readonly postgres: SmallDisk } | null;
  /** Answers for all names of webhooks but `localhost`. */
  readonly dns: ChaosDns;
  readonly receiver: ReceiverLedger;
  /** In front of the receiver, for rows that need a bad network there. */
  readonly receiverLink: FaultyProxy;
  /** Writes to Kafka as a producer of events would. */
  readonly publish: PublishRecords;
  /** A producer that looks at the topics anew. */
  renewPublisher(): Promise<void>;
  readonly admin: Admin;
  readonly database: Database;
  readonly names: TopicNames;
  readonly schemaRegistryUrl: string;
  readonly apiUrl: string;
  createTenant(tenantId: string): Promise<ApiAccess>;
  close(): Promise<void>;
}

/** One process per role, two of those that deliver, so that there is always somebody to take over. */
export const FLEET: Readonly<Record<string, MemberPlan>> = {
  api: { roles: 'api' },
  router: { roles: 'router' },
  retry: { roles: 'retry' },
  recorder: { roles: 'recorder' },
  'delivery-0': { roles: 'delivery' },
  'delivery-1': { roles: 'delivery' },
};

export interface StageOptions extends Pick<ChaosServersOptions, 'brokers' | 'progress'> {
  readonly profile: Profile;
  readonly hasSmallDisks: boolean;
}

export async function setStage(options: StageOptions): Promise<Stage> {
  const { profile, progress } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne();
  };
  try {
    const disks = options.hasSmallDisks ? await makeDisks(closers) : null;
    const wraps = disks === null ? {} : { wrapKafka: disks.kafka.wrap, wrapPostgres: disks.postgres.wrap };
    const servers = await startChaosServers({ ...readMachine(), ...options, ...wraps });
    closers.push(() => servers.stop());
    return { ...(await populate(servers, profile, { closers, progress })), profile, servers, disks, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const DISK_MEGABYTES = 512;

async function makeDisks(closers: (() => Promise<void>)[]) {
  const postgres = await makeSmallDisk({
    megabytes: DISK_MEGABYTES,
    account: unprivilegedAccount(),
    dataFolderOf: (command) => command[command.indexOf('-D') + 1] ?? '',
  });
  closers.push(() => postgres.close());
  const kafka = await makeSmallDisk({
    megabytes: DISK_MEGABYTES,
    account: undefined,
    // `…/kafka-1.properties` lies beside its data, `…/kafka-1`.
    dataFolderOf: (command) => (command.at(-1) ?? '').replace(/\.properties$/, ''),
  });
  closers.push(() => kafka.close());
  return { postgres, kafka };
}

async function populate(
  servers: ChaosServers,
  profile: Profile,
  { closers, progress }: { closers: (() => Promise<void>)[]; progress: (line: string) => void },
): Promise<Omit<Stage, 'profile' | 'servers' | 'disks' | 'close'>> {
  const log = createSilentLogger();
  const [apiPort = 0] = await freePorts(1);
  const dns = await startChaosDns();
  closers.push(() => dns.close());
  const environment = { ...settingsOf(servers, profile, dns), POSTHORN_API_PORT: String(apiPort) };
  const config = readConfigWith({ presets: {}, overrides: { ...environment, ...directly(servers) } });
  progress('preparing database, topics and schemas');
  await bootstrap(config, log);
  await registerEventTypes([CHAOS_EVENT], config);
  const kafka = await connect(config, closers);
  const database = openDatabase({ url: config.databaseUrl, poolSize: 3, log });
  closers.push(() => database.close());
  const receiver = new ReceiverLedger();
  await receiver.start();
  closers.push(() => receiver.close());
  const receiverLink = await startFaultyProxy(receiver.port);
  closers.push(() => receiverLink.close());
  const fleet = new Fleet({ folder: servers.folder, environment, guard: servers.guard });
  closers.push(() => fleet.stopAll());
  const apiUrl = `http://${LOCAL_HOST}:${apiPort}`;
  return {
    fleet,
    dns,
    receiver,
    receiverLink,
    ...kafka,
    database,
    names: topicNames(config.kafka.topicPrefix),
    schemaRegistryUrl: config.schemaRegistryUrl,
    apiUrl,
    createTenant: async (tenantId) => {
      const { apiKey } = await issueApiKey(database, { tenantId, name: 'fault suite' });
      return { apiUrl, apiKey };
    },
  };
}

/** A producer that can be replaced, and an admin connection. */
async function connect(config: Config, closers: (() => Promise<void>)[]) {
  const log = createSilentLogger();
  const kafka = createKafkaClient(config.kafka, 'posthorn-chaos', log);
  const start = async () => {
    // Longer than any fault: an event that is not acknowledged counts for nothing.
    const started = new KafkaPublisher({ kafka, log, giveUpAfterMs: 180_000 });
    await started.start();
    return started;
  };
  let publisher = await start();
  closers.push(() => publisher.stop());
  const admin = kafka.admin();
  await admin.connect();
  closers.push(() => admin.disconnect());
  const publish: PublishRecords = (records) => publisher.publish(records);
  const renewPublisher = async () => {
    const former = publisher;
    publisher = await start();
    await former.stop();
  };
  return { publish, renewPublisher, admin };
}

/** As in production, with the limits from which the bounds are computed. */
function settingsOf(servers: ChaosServers, profile: Profile, dns: ChaosDns): Record<string, string> {
  return {
    POSTHORN_KAFKA_BROKERS: servers.seen.kafkaBrokers,
    POSTHORN_SCHEMA_REGISTRY_URL: servers.seen.schemaRegistryUrl,
    POSTHORN_DATABASE_URL: servers.seen.databaseUrl,
    POSTHORN_SECRET_KEYS: servers.secretKeys,
    POSTHORN_KAFKA_SESSION_TIMEOUT: `${profile.sessionTimeoutMs / 1000}s`,
    POSTHORN_OPS_PORT: '0',
    POSTHORN_EGRESS_ALLOW_CIDRS: '127.0.0.0/8',
    POSTHORN_EGRESS_ALLOW_HTTP: 'true',
    POSTHORN_EGRESS_PORTS: '*',
    POSTHORN_DELIVERY_CONCURRENCY: String(YOUNG_REQUESTS),
    POSTHORN_SLOW_REQUESTS: String(SLOW_REQUESTS),
    POSTHORN_DELIVERY_MAX_UNCOMMITTED: String(MAX_UNCOMMITTED),
    POSTHORN_RETRY_SCHEDULE: RETRY_SCHEDULE,
    POSTHORN_RETRY_JITTER: String(RETRY_JITTER),
    POSTHORN_WEBHOOK_CONCURRENCY: '32',
    POSTHORN_DELIVERY_TIMEOUT: '5s',
    POSTHORN_DNS_SERVERS: dns.address,
  };
}

function directly({ direct }: ChaosServers): Record<string, string> {
  return {
    POSTHORN_KAFKA_BROKERS: direct.kafkaBrokers,
    POSTHORN_SCHEMA_REGISTRY_URL: direct.schemaRegistryUrl,
    POSTHORN_DATABASE_URL: direct.databaseUrl,
  };
}
