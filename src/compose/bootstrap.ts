import { fileURLToPath } from 'node:url';
import type { Admin } from 'kafkajs';
import type { Config } from '../config.ts';
import { eventTopicOf } from '../domain/event-naming.ts';
import { loadEventTypes } from '../infrastructure/avro/catalogue-files.ts';
import { registerInternalSchemas, SHIPPED_EVENTS_FOLDER } from '../infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import {
  createTopics,
  missingTopics,
  planInputTopic,
  planInternalTopics,
  type TopicPlan,
  topicNames,
} from '../infrastructure/kafka/topics.ts';
import { type Database, openDatabase } from '../infrastructure/postgres/database.ts';
import { readEventTypeVersions, saveEventType } from '../infrastructure/postgres/event-type-store.ts';
import { checkMigrations, migrate } from '../infrastructure/postgres/migrations.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';
import { registerSchemas } from '../processes/register-schemas.ts';

/** What a bootstrap did, or what one would do. */
export interface BootstrapReport {
  readonly migrations: readonly string[];
  readonly topics: readonly string[];
  readonly eventTypes: readonly string[];
}

/** Migrations, topics, schemas: everything that `serve` needs to find. May be repeated; changes only what is missing. */
export async function bootstrap(config: Config, log: Logger): Promise<BootstrapReport> {
  return withServers(config, log, async ({ admin, database }) => {
    const migrations = await migrate(database);
    const known = await readEventTypeVersions(database);
    const internal = await createTopics(admin, planInternal(config), config.kafka.replication);
    const registry = createSchemaRegistry({ url: config.schemaRegistryUrl });
    await registerInternalSchemas(registry);
    const shipped = await loadEventTypes(fileURLToPath(SHIPPED_EVENTS_FOLDER));
    const { createdTopics } = await registerSchemas(shipped, {
      registry,
      createTopics: (topics) => createTopics(admin, planInput(topics, config), config.kafka.replication),
      saveEventType: (eventType) => saveEventType(database, eventType),
    });
    const eventTypes = shipped.map(({ type }) => type).filter((type) => !known.has(type));
    return { migrations, topics: [...internal, ...createdTopics], eventTypes };
  });
}

/** What `bootstrap` would do; changes nothing. */
export async function checkBootstrap(config: Config, log: Logger): Promise<BootstrapReport> {
  return withServers(config, log, async ({ admin, database }) => {
    const migrations = await checkMigrations(database);
    const known: ReadonlySet<string> =
      migrations.length > 0 ? new Set() : new Set((await readEventTypeVersions(database)).keys());
    const shipped = await loadEventTypes(fileURLToPath(SHIPPED_EVENTS_FOLDER));
    const inputs = [...new Set(shipped.map(({ type }) => eventTopicOf(type)))];
    const missing = await missingTopics(admin, [...planInternal(config), ...planInput(inputs, config)]);
    const eventTypes = shipped.map(({ type }) => type).filter((type) => !known.has(type));
    return { migrations, topics: missing.map(({ topic }) => topic), eventTypes };
  });
}

function planInternal({ kafka, retry }: Config): TopicPlan[] {
  return planInternalTopics({ names: topicNames(kafka.topicPrefix), tiers: retry.tiers, partitions: kafka.partitions });
}

function planInput(topics: readonly string[], { kafka }: Config): TopicPlan[] {
  return topics.map((topic) => planInputTopic(topic, kafka.partitions));
}

async function withServers<T>(
  config: Config,
  log: Logger,
  use: (servers: { admin: Admin; database: Database }) => Promise<T>,
): Promise<T> {
  const database = openDatabase({ url: config.databaseUrl, poolSize: 1, log });
  const admin = createKafkaClient(config.kafka, 'posthorn-bootstrap', log).admin();
  try {
    await admin.connect();
    return await use({ admin, database });
  } finally {
    await admin.disconnect();
    await database.close();
  }
}
