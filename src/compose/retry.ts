import { TrackedConsumer } from '../infrastructure/kafka/consumer.ts';
import { forgetReleased, releasableWebhooks, releaseParked } from '../infrastructure/postgres/parked-store.ts';
import type { Reading } from '../infrastructure/telemetry/metric-set.ts';
import { Releaser } from '../processes/releaser.ts';
import { RetryMover } from '../processes/retry-mover.ts';
import type { Foundation } from './foundation.ts';
import type { PipelineParts, RoleParts } from './roles.ts';

/** A fetched batch waits in memory until it is due, so batches are small. */
const MAX_BYTES_PER_PARTITION = 128 * 1024;

/** Builds the retry role: due records move from their tier, and parked ones from PostgreSQL, to `deliveries.ready`. */
export function composeRetry({ base, cluster, lag }: PipelineParts): RoleParts {
  const { names, log } = base;
  const mover = new RetryMover({
    publish: (records) => base.publisher.publish(records),
    partitionCount: (topic) => base.publisher.partitionCount(topic),
    topics: names,
    jitter: base.config.retry.jitter,
    log,
    now: Date.now,
  });
  const consumer = new TrackedConsumer({
    kafka: base.kafkaFor('retry'),
    groupId: names.group('retry'),
    sessionTimeoutMs: base.config.kafka.sessionTimeoutMs,
    topics: () => cluster.retryTopics(),
    handler: mover,
    log,
    maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
    observer: base.metrics.kafka.consumer('retry'),
    onFatal: base.onFatal,
  });
  lag.follow('retry', consumer);
  base.metrics.kafka.retryOverdue.from(() =>
    [...mover.overdueMs()].map(([topic, ms]): Reading => [[topic.slice(names.retryPrefix.length)], ms / 1000]),
  );
  const releaser = createReleaser(base);
  const service = {
    name: 'retry',
    start: async () => {
      await mover.start();
      await consumer.start();
      await releaser.start();
    },
    stop: async () => {
      consumer.quiesce();
      await releaser.stop();
      await mover.stop();
      await consumer.stop();
    },
  };
  return { services: [service], checks: [] };
}

function createReleaser({ database, publisher, names, log }: Foundation): Releaser {
  return new Releaser({
    releasableWebhooks: (howMany) => releasableWebhooks(database, howMany),
    releaseParked: (webhookId, how) => releaseParked(database, webhookId, how),
    forgetReleased: () => forgetReleased(database),
    publish: (records) => publisher.publish(records),
    topics: names,
    log,
    now: Date.now,
  });
}
