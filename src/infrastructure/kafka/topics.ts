import { setTimeout as delay } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import type { Tier } from '../../domain/retry-schedule.ts';

const DAY_MS = 86_400_000;
/** A rendered body is at most 1 MiB; the rest is head-room for the record around it. */
const INTERNAL_MAX_BYTES = 4 * 1024 * 1024;
const KAFKA_DEFAULT_MAX_BYTES = 1024 * 1024;
const ENVELOPE_BYTES = 64 * 1024;

/** The names of Posthorn's topics and groups under one prefix; the only place where they are written. */
export interface TopicNames {
  readonly deliveries: string;
  readonly overflow: string;
  readonly ready: string;
  readonly retryPrefix: string;
  retry(tier: string): string;
  readonly deadDeliveries: string;
  readonly deadEvents: string;
  readonly attempts: string;
  group(role: string): string;
}

export function topicNames(prefix: string): TopicNames {
  return {
    deliveries: `${prefix}deliveries`,
    overflow: `${prefix}deliveries.overflow`,
    ready: `${prefix}deliveries.ready`,
    retryPrefix: `${prefix}deliveries.retry.`,
    retry: (tier) => `${prefix}deliveries.retry.${tier}`,
    deadDeliveries: `${prefix}deliveries.dead`,
    deadEvents: `${prefix}events.dead`,
    attempts: `${prefix}attempts`,
    group: (role) => `${prefix}${role}`,
  };
}

/** Whether a topic carries events of producers (never our own dead letters). */
export function isInputTopic(topic: string): boolean {
  return /^events\.[A-Za-z0-9_-]+$/.test(topic) && topic !== 'events.dead';
}

/** What a topic should look like. */
export interface TopicPlan {
  readonly topic: string;
  readonly partitions: number;
  readonly retentionMs: number;
  readonly maxMessageBytes: number;
  /** Ours carry the broker's time, so that a replayed old event does not expire on arrival. */
  readonly appendTime: boolean;
}

export interface TopicOptions {
  readonly names: TopicNames;
  readonly tiers: readonly Tier[];
  /** Partitions of the delivery topics (all three equal) or null for the defaults. */
  readonly partitions: number | null;
}

/** Every internal topic; the input topics are made per domain with `planInputTopic`. */
export function planInternalTopics({ names, tiers, partitions }: TopicOptions): TopicPlan[] {
  const plan = (topic: string, count: number, days: number, maxMessageBytes = INTERNAL_MAX_BYTES): TopicPlan => ({
    topic,
    partitions: partitions ?? count,
    retentionMs: days * DAY_MS,
    maxMessageBytes,
    appendTime: true,
  });
  return [
    plan(names.deliveries, 12, 7),
    plan(names.overflow, 12, 7),
    plan(names.ready, 12, 7),
    ...tiers.map((tier) => ({ ...plan(names.retry(tier.name), 6, 7), retentionMs: tier.delayMs + 7 * DAY_MS })),
    plan(names.deadDeliveries, 3, 30, INTERNAL_MAX_BYTES + ENVELOPE_BYTES),
    plan(names.deadEvents, 3, 30, 12 * KAFKA_DEFAULT_MAX_BYTES + ENVELOPE_BYTES),
    plan(names.attempts, 6, 3),
  ];
}

export function planInputTopic(topic: string, partitions: number | null): TopicPlan {
  const count = partitions ?? 6;
  return {
    topic,
    partitions: count,
    retentionMs: 7 * DAY_MS,
    maxMessageBytes: KAFKA_DEFAULT_MAX_BYTES,
    appendTime: false,
  };
}

/** Creates the topics that are missing and returns their names; existing ones stay as they are. */
export async function createTopics(
  admin: Admin,
  plans: readonly TopicPlan[],
  replication: number | null,
): Promise<string[]> {
  const missing = await missingTopics(admin, plans);
  if (missing.length === 0) return [];
  const { brokers } = await admin.describeCluster();
  const replicas = replication ?? Math.min(3, brokers.length);
  await admin.createTopics({ topics: missing.map((plan) => toTopicConfig(plan, replicas)), waitForLeaders: false });
  const topics = missing.map(({ topic }) => topic);
  await untilLed(admin, topics);
  return topics;
}

const LEADERS_TIMEOUT_MS = 30_000;

/** Resolves when every partition has a leader. kafkajs' own wait fails on a busy broker that does not know the topic yet. */
export async function untilLed(admin: Admin, topics: string[]): Promise<void> {
  for (const deadlineMs = performance.now() + LEADERS_TIMEOUT_MS; ; ) {
    try {
      const metadata = await admin.fetchTopicMetadata({ topics });
      if (metadata.topics.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0))) return;
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await delay(100);
  }
}

/** The planned topics that do not exist. */
export async function missingTopics(admin: Admin, plans: readonly TopicPlan[]): Promise<TopicPlan[]> {
  const existing = new Set(await admin.listTopics());
  return plans.filter(({ topic }) => !existing.has(topic));
}

function toTopicConfig(plan: TopicPlan, replicationFactor: number): ITopicConfig {
  return {
    topic: plan.topic,
    numPartitions: plan.partitions,
    replicationFactor,
    configEntries: [
      { name: 'retention.ms', value: String(plan.retentionMs) },
      { name: 'max.message.bytes', value: String(plan.maxMessageBytes) },
      { name: 'min.insync.replicas', value: replicationFactor >= 3 ? '2' : '1' },
      ...(plan.appendTime ? [{ name: 'message.timestamp.type', value: 'LogAppendTime' }] : []),
    ],
  };
}
