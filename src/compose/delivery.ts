import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { countLanes } from '../domain/lane-census.ts';
import { type KeyRing, openSecret } from '../domain/secret-box.ts';
import { signingKeyOf } from '../domain/signature.ts';
import type { CachedWebhook } from '../domain/webhook.ts';
import { webhookSecretBinding } from '../domain/webhook-secret.ts';
import { createWebhookSender, type WebhookSender } from '../infrastructure/http/webhook-sender.ts';
import { TrackedConsumer } from '../infrastructure/kafka/consumer.ts';
import type { DeliveryState } from '../infrastructure/telemetry/delivery-metrics.ts';
import type { Tracing } from '../infrastructure/telemetry/tracing.ts';
import { attemptDelivery } from '../processes/delivery/attempt.ts';
import type { FinishedAttempt } from '../processes/delivery/attempt-entries.ts';
import { DeliveryEngine } from '../processes/delivery/engine.ts';
import { OutcomeRecords } from '../processes/delivery/outcome-records.ts';
import { Spill } from '../processes/delivery/spill.ts';
import { unreadableDelivery } from '../processes/delivery/unreadable.ts';
import { WebhookAccess } from '../processes/delivery/webhook-access.ts';
import { VERSION } from '../version.ts';
import { egressPolicyOf } from './egress.ts';
import type { Foundation } from './foundation.ts';
import { type PipelineParts, type RoleParts, within } from './roles.ts';
import { traceAttempt } from './tracing.ts';

/** Offsets between watermark and newest record of a partition: their completion map always fits into a commit. */
const WINDOW_RECORDS = 10_000;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** Waiting jobs from which on lanes that do not keep up give work away early. */
const CROWDED_AT = 5_000;
/** What is left of the stop deadline to write outcomes and to commit once attempts were cut. */
const AFTER_CUT_MS = 3_000;

/** The one sender of a process, for deliveries and test deliveries alike. */
export function composeSender({ config }: Foundation): WebhookSender {
  const { egress } = config;
  return createWebhookSender({
    policy: egressPolicyOf(config),
    dnsServers: egress.dnsServers,
    ...(egress.caFile === null ? {} : { extraCa: readFileSync(egress.caFile, 'utf8') }),
  });
}

/** Builds the delivery role: lanes, attempts, outcomes. `retryPartitions` counts the partitions of a tier's topic. */
export function composeDelivery(
  { base, codecs, lag, tracing }: PipelineParts,
  {
    sender,
    keyRing,
    retryPartitions,
  }: { sender: WebhookSender; keyRing: KeyRing; retryPartitions: (tier: string) => number },
): RoleParts {
  const { names, log } = base;
  const metrics = base.metrics.delivery;
  const { retry: schedule, delivery: limits } = base.config;
  const records = new OutcomeRecords({
    topics: names,
    schedule,
    retryPartitions,
    encodeDelivery: (delivery) => codecs.delivery.encode(delivery),
    encodeAttempt: (attempt) => codecs.attempt.encode(attempt),
    newId: () => randomUUID(),
    random: Math.random,
  });
  const access = new WebhookAccess({ directory: base.webhooks, keysOf: signingKeys(keyRing), log });
  const attempt = {
    access,
    send: sender.send,
    records,
    schedule,
    retryPartitions,
    timeoutMs: limits.timeoutMs,
    userAgent: `Posthorn/${VERSION}`,
    log,
    now: Date.now,
    onAttempted: followAttempts(base, tracing),
    onEnded: metrics.died,
    onSetAside: metrics.setAside,
  };
  const engine: DeliveryEngine = new DeliveryEngine(limitsOf(base), {
    decodeDelivery: (value) => codecs.delivery.decode(value),
    attempt: (job) => attemptDelivery(job, attempt),
    spill: createSpill(base, records, retryPartitions),
    publish: (outgoing) => base.publisher.publish(outgoing),
    unreadable: (record, error) => {
      metrics.died('decode_failed');
      return unreadableDelivery(names.deadDeliveries, record, error, Date.now());
    },
    uncommitted: () => consumer.uncommitted,
    onRepeat: () => metrics.repeated(),
    log,
    now: Date.now,
  });
  const consumer: TrackedConsumer = createConsumer(base, engine);
  base.webhooks.onChange((ids) => engine.webhooksChanged(ids));
  lag.follow('delivery', consumer);
  metrics.follow(schedule);
  metrics.watch(() => stateOf(engine, consumer, sender), Date.now);
  return { services: [deliveryService(base, { engine, consumer, sender })], checks: [] };
}

/** What is told of an attempt besides its log line; nothing of traces is called while they are off. */
function followAttempts({ metrics, names }: Foundation, tracing: Tracing | null): (finished: FinishedAttempt) => void {
  const measure = (finished: FinishedAttempt) => metrics.delivery.attempted(finished.job.delivery, finished);
  if (tracing === null) return measure;
  return (finished) => {
    measure(finished);
    traceAttempt(tracing, names.group('delivery'), finished);
  };
}

function createSpill(
  { config, webhooks, metrics }: Foundation,
  records: OutcomeRecords,
  retryPartitions: (tier: string) => number,
) {
  return new Spill({
    records,
    schedule: config.retry,
    retryPartitions,
    crowdedAt: CROWDED_AT,
    parkAfterMs: config.delivery.parkAfterMs,
    // Parked deliveries are released from PostgreSQL: none are parked while nobody knows whether it answers.
    mayPark: () => webhooks.waitsFor() === null,
    onSetAside: metrics.delivery.setAside,
  });
}

function stateOf(engine: DeliveryEngine, consumer: TrackedConsumer, sender: WebhookSender): DeliveryState {
  const { lanes, queuedBytes } = engine;
  const { uncommitted } = consumer;
  const census = countLanes(lanes.all(), Date.now());
  return { young: lanes.young, slow: lanes.slow, uncommitted, queuedBytes, census, connections: sender.connections() };
}

function createConsumer(base: Foundation, engine: DeliveryEngine): TrackedConsumer {
  const { names, config } = base;
  const topics = [names.deliveries, names.overflow, names.ready];
  return new TrackedConsumer({
    kafka: base.kafkaFor('delivery'),
    groupId: names.group('delivery'),
    sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    topics: async () => topics,
    colocated: topics,
    handler: engine,
    log: base.log,
    windowRecords: WINDOW_RECORDS,
    commitEagerlyAt: Math.max(1, Math.floor(config.delivery.maxUncommitted / 2)),
    onCommitted: () => engine.pump(),
    observer: base.metrics.kafka.consumer('delivery'),
    onFatal: base.onFatal,
  });
}

/**
 * The order of a stop: read nothing more, let running attempts end (cut at the deadline), have their outcomes in the log,
 * commit, leave the group. So a clean stop repeats nothing.
 */
function deliveryService(
  { config, log }: Foundation,
  { engine, consumer, sender }: { engine: DeliveryEngine; consumer: TrackedConsumer; sender: WebhookSender },
) {
  return {
    name: 'delivery',
    start: async () => {
      await engine.start();
      await consumer.start();
    },
    stop: async () => {
      consumer.quiesce();
      const stopping = engine.stop();
      if (!(await within(config.stopDeadlineMs - AFTER_CUT_MS, stopping))) {
        log.warn({ attempts: engine.inFlight }, 'delivery.attempts_cut');
        sender.abort();
        await within(AFTER_CUT_MS, stopping);
      }
      await consumer.stop();
    },
  };
}

function limitsOf({ config }: Foundation) {
  const { concurrency, slowRequests, webhookConcurrency, maxUncommitted } = config.delivery;
  return {
    youngRequests: concurrency,
    slowRequests,
    requestsPerWebhook: webhookConcurrency,
    maxUncommitted,
    maxQueuedBytes: MAX_QUEUED_BYTES,
  };
}

function signingKeys(keyRing: KeyRing) {
  return (webhook: CachedWebhook) =>
    webhook.encryptedSecrets.map((sealed) =>
      signingKeyOf(openSecret(keyRing, webhookSecretBinding(webhook.id), sealed)),
    );
}
