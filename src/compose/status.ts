import type { Admin } from 'kafkajs';
import type { Config } from '../config.ts';
import { eventTopicOf } from '../domain/event-naming.ts';
import { parseDelayMs, partitionDelayMs } from '../domain/retry-schedule.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { describeGroups, readBacklogs, type TopicBacklog } from '../infrastructure/kafka/group-report.ts';
import {
  isInputTopic,
  missingTopics,
  planInputTopic,
  planInternalTopics,
  type TopicNames,
  topicNames,
} from '../infrastructure/kafka/topics.ts';
import { type Database, openDatabase } from '../infrastructure/postgres/database.ts';
import { readEventTypeVersions } from '../infrastructure/postgres/event-type-store.ts';
import { checkMigrations } from '../infrastructure/postgres/migrations.ts';
import {
  countDeadLetters,
  countWebhooks,
  type DeadLetterCount,
  readTroubledWebhooks,
  type TroubledWebhook,
  type WebhookCounts,
} from '../infrastructure/postgres/status-report.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';

/** How a group does in one of its topics. */
export interface StageStatus {
  readonly topic: string;
  readonly lag: number;
  /** Age of the oldest record that is not resolved, right within some percent; null when there is none. */
  readonly oldestWaitingMs: number | null;
}

export interface GroupStatus {
  readonly role: string;
  readonly groupId: string;
  readonly state: string;
  readonly members: number;
  readonly stages: readonly StageStatus[];
}

/** What waits in a retry tier, where waiting is meant. */
export interface TierStatus {
  readonly tier: string;
  readonly waiting: number;
  /** Until the next one is due, right within some percent of the delay; below 0 it is overdue; null when none waits. */
  readonly nextDueMs: number | null;
}

/** What Kafka tells. */
export interface KafkaStatus {
  readonly groups: readonly GroupStatus[];
  readonly tiers: readonly TierStatus[];
  readonly missingTopics: readonly string[];
}

/** What PostgreSQL tells. */
export interface DatabaseStatus {
  readonly webhooks: WebhookCounts;
  readonly troubled: readonly TroubledWebhook[];
  readonly deadLetters: readonly DeadLetterCount[];
}

/** A part of the status, or why it is not known. */
export type Known<T> =
  | { readonly kind: 'known'; readonly value: T }
  | { readonly kind: 'unknown'; readonly why: string };

export interface Status {
  readonly kafka: Known<KafkaStatus>;
  readonly database: Known<DatabaseStatus>;
}

const PATIENCE = { retries: 2, timeoutMs: 5_000 };
/** A question that takes longer is not worth the load. */
const STATEMENT_TIMEOUT_MS = 10_000;
const MOST_TROUBLED = 20;

/** Asks Kafka and PostgreSQL how the whole of Posthorn does; what cannot be asked is told as such. Changes nothing. */
export async function readStatus(config: Config, log: Logger): Promise<Status> {
  const database = openDatabase({
    url: config.databaseUrl,
    poolSize: 3,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    log,
  });
  const admin = createKafkaClient(config.kafka, 'posthorn-status', log, PATIENCE).admin();
  try {
    const types = readInputTopics(database);
    const [kafka, fromDatabase] = await Promise.all([
      known(async () => {
        await admin.connect();
        return readKafka(admin, config, await types);
      }),
      known(() => readDatabase(database)),
    ]);
    return { kafka, database: fromDatabase };
  } finally {
    await admin.disconnect();
    await database.close();
  }
}

async function known<T>(read: () => Promise<T>): Promise<Known<T>> {
  try {
    return { kind: 'known', value: await read() };
  } catch (error) {
    return { kind: 'unknown', why: error instanceof Error ? error.message : String(error) };
  }
}

/** The topics that the catalogue names; none while PostgreSQL cannot be asked, which is told elsewhere. */
async function readInputTopics(database: Database): Promise<string[]> {
  const types = await readEventTypeVersions(database).catch(() => new Map<string, number>());
  return [...new Set([...types.keys()].map(eventTopicOf))];
}

async function readDatabase(database: Database): Promise<DatabaseStatus> {
  const pending = await checkMigrations(database);
  if (pending.length > 0) throw new Error('its tables are not up to date; run "posthorn bootstrap"');
  const [webhooks, troubled, deadLetters] = await Promise.all([
    countWebhooks(database),
    readTroubledWebhooks(database, MOST_TROUBLED),
    countDeadLetters(database),
  ]);
  return { webhooks, troubled, deadLetters };
}

async function readKafka(admin: Admin, { kafka, retry }: Config, inputTopics: readonly string[]): Promise<KafkaStatus> {
  const names = topicNames(kafka.topicPrefix);
  const existing = await admin.listTopics();
  const plans = [
    ...planInternalTopics({ names, tiers: retry.tiers, partitions: kafka.partitions }),
    ...inputTopics.map((topic) => planInputTopic(topic, kafka.partitions)),
  ];
  const missing = (await missingTopics(admin, plans)).map(({ topic }) => topic);
  const stages = stagesOf(names, existing);
  const states = await describeGroups(
    admin,
    [...stages].map(([role]) => names.group(role)),
  );
  const nowMs = Date.now();
  const backlogs = await Promise.all(
    [...stages].map(
      async ([role, topics]) => [role, await readBacklogs(admin, names.group(role), topics, nowMs)] as const,
    ),
  );
  const groups = backlogs.map(([role, topics]) => {
    const { state = 'unknown', members = 0 } = states.find(({ groupId }) => groupId === names.group(role)) ?? {};
    // What waits in a tier is shown with the tiers.
    const own = role === 'retry' ? [] : topics.map(stageOf);
    return { role, groupId: names.group(role), state, members, stages: own };
  });
  const retryTopics = backlogs.find(([role]) => role === 'retry')?.[1] ?? [];
  return { groups, tiers: tiersOf(retryTopics, names, retry.jitter), missingTopics: missing };
}

/** The topics that each group reads, as far as they exist. */
function stagesOf(names: TopicNames, existing: readonly string[]): Map<string, string[]> {
  const inputs = existing.filter(isInputTopic).toSorted();
  const internal = (...topics: string[]) => topics.filter((topic) => existing.includes(topic));
  return new Map([
    ['router', inputs],
    ['delivery', internal(names.deliveries, names.ready, names.overflow)],
    ['retry', existing.filter((topic) => topic.startsWith(names.retryPrefix))],
    ['recorder', [...internal(names.attempts, names.deadDeliveries, names.deadEvents), ...inputs]],
  ]);
}

function stageOf({ topic, records, heads }: TopicBacklog): StageStatus {
  const oldestWaitingMs = heads.length === 0 ? null : Math.max(...heads.map(({ ageMs }) => ageMs));
  return { topic, lag: records, oldestWaitingMs };
}

function tiersOf(backlogs: readonly TopicBacklog[], names: TopicNames, jitter: number): TierStatus[] {
  const shortestFirst = backlogs.map(({ topic, records, heads }) => {
    const tier = topic.slice(names.retryPrefix.length);
    const delayMs = parseDelayMs(tier) ?? 0;
    const dues = heads.map(
      ({ partition, partitions, ageMs }) => partitionDelayMs(delayMs, jitter, partition, partitions) - ageMs,
    );
    return { delayMs, status: { tier, waiting: records, nextDueMs: dues.length === 0 ? null : Math.min(...dues) } };
  });
  return shortestFirst.toSorted((a, b) => a.delayMs - b.delayMs).map(({ status }) => status);
}
