import type { Admin, Kafka } from 'kafkajs';
import type { Config } from '../config.ts';
import { AppError } from '../domain/errors.ts';
import { createAttemptCodec, createDeliveryCodec } from '../infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry, type SchemaRegistry } from '../infrastructure/avro/registry.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { KafkaPublisher } from '../infrastructure/kafka/publisher.ts';
import {
  isInputTopic,
  missingTopics,
  planInternalTopics,
  type TopicNames,
  topicNames,
} from '../infrastructure/kafka/topics.ts';
import type { Service } from '../infrastructure/lifecycle.ts';
import { ChangeFeed } from '../infrastructure/postgres/change-feed.ts';
import { type Database, openDatabase } from '../infrastructure/postgres/database.ts';
import { EventTypeCache } from '../infrastructure/postgres/event-type-cache.ts';
import { checkMigrations } from '../infrastructure/postgres/migrations.ts';
import { WebhookCache } from '../infrastructure/postgres/webhook-cache.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';
import type { Metrics } from '../infrastructure/telemetry/metrics.ts';
import { waitFor } from '../infrastructure/wait-for.ts';

/** What the roles of one process share. Opened lazily: a process without a role that needs a thing does not open it. */
export interface Foundation {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly names: TopicNames;
  readonly database: Database;
  readonly registry: SchemaRegistry;
  readonly feed: ChangeFeed;
  readonly webhooks: WebhookCache;
  readonly eventTypes: EventTypeCache;
  readonly publisher: KafkaPublisher;
  /** The Kafka client of one role: named after role and instance, so a restarted process gets its partitions back. */
  kafkaFor(role: string): Kafka;
  /** The cannot-go-on of a consumer: the process ends and says why. */
  readonly onFatal: (error: AppError) => void;
}

export interface FoundationOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onFatal: (error: AppError) => void;
}

export function createFoundation({ config, log, metrics, onFatal }: FoundationOptions): Foundation {
  const database = openDatabase({ url: config.databaseUrl, log });
  const feed = new ChangeFeed({ url: config.databaseUrl, log });
  const kafkaFor = (role: string) => createKafkaClient(config.kafka, `posthorn-${role}-${config.kafka.instance}`, log);
  return {
    config,
    log,
    metrics,
    names: topicNames(config.kafka.topicPrefix),
    database,
    registry: createSchemaRegistry({
      url: config.schemaRegistryUrl,
      onLookUp: (result) => void (metrics.registryLookUps(result).value += 1),
    }),
    feed,
    webhooks: new WebhookCache(database, { feed, log }),
    eventTypes: new EventTypeCache(database, { feed, log }),
    publisher: new KafkaPublisher({
      kafka: kafkaFor('publisher'),
      log,
      onRepaired: (count) => void (metrics.kafka.publishRepaired.value += count),
      onRetried: () => void (metrics.kafka.publishRetried.value += 1),
    }),
    kafkaFor,
    onFatal,
  };
}

/** One admin connection of the process: for the layout of topics, which consumers ask again now and then. */
export class ClusterAdmin implements Service {
  readonly name = 'cluster admin';
  readonly #admin: Admin;
  readonly #names: TopicNames;

  constructor(kafka: Kafka, names: TopicNames) {
    this.#admin = kafka.admin();
    this.#names = names;
  }

  start(): Promise<void> {
    return this.#admin.connect();
  }

  stop(): Promise<void> {
    return this.#admin.disconnect();
  }

  /** The input topics that exist now. */
  async inputTopics(): Promise<string[]> {
    return (await this.#admin.listTopics()).filter(isInputTopic).toSorted();
  }

  /** The retry topics that exist now, also those of an earlier schedule. */
  async retryTopics(): Promise<string[]> {
    const topics = await this.#admin.listTopics();
    return topics.filter((topic) => topic.startsWith(this.#names.retryPrefix)).toSorted();
  }

  /** One past the newest record of each partition of a topic. */
  async endOffsets(topic: string): Promise<{ partition: number; end: number }[]> {
    const offsets = await this.#admin.fetchTopicOffsets(topic);
    return offsets.map(({ partition, high }) => ({ partition, end: Number(high) }));
  }

  /** Rejects with what is missing while `posthorn bootstrap` has not run. */
  async requireTopics(config: Config): Promise<void> {
    const plans = planInternalTopics({ names: this.#names, tiers: config.retry.tiers, partitions: null });
    const missing = await missingTopics(this.#admin, plans);
    if (missing.length === 0) return;
    const [first] = missing;
    throw new AppError(
      'unavailable',
      `topic ${first?.topic} and ${missing.length - 1} more do not exist yet; run "posthorn bootstrap"`,
    );
  }
}

export interface Readiness {
  readonly signal: AbortSignal;
  readonly onState: (waitsFor: string | null) => void;
}

/** Waits until PostgreSQL answers and has our tables. */
export async function waitForDatabase(base: Foundation, readiness: Readiness): Promise<void> {
  const check = async () => {
    const pending = await checkMigrations(base.database);
    if (pending.length > 0)
      throw new AppError('unavailable', 'its tables are not up to date; run "posthorn bootstrap"');
  };
  await waitFor('PostgreSQL', check, { ...readiness, log: base.log });
}

/** Waits until Kafka answers and has our topics. */
export async function waitForKafka(base: Foundation, cluster: ClusterAdmin, readiness: Readiness): Promise<void> {
  const check = async () => {
    await cluster.start();
    await cluster.requireTopics(base.config);
  };
  await waitFor('Kafka', check, { ...readiness, log: base.log });
}

export type DeliveryCodec = Awaited<ReturnType<typeof createDeliveryCodec>>;
export type AttemptCodec = Awaited<ReturnType<typeof createAttemptCodec>>;

/** Waits until the registry knows our internal schemas. */
export async function waitForCodecs(
  base: Foundation,
  readiness: Readiness,
): Promise<{ delivery: DeliveryCodec; attempt: AttemptCodec }> {
  const check = async () => ({
    delivery: await createDeliveryCodec(base.registry),
    attempt: await createAttemptCodec(base.registry),
  });
  return waitFor('schema registry', check, { ...readiness, log: base.log });
}
