import { createEventReader } from '../infrastructure/avro/event-reader.ts';
import { TrackedConsumer } from '../infrastructure/kafka/consumer.ts';
import { openRecorderStore } from '../infrastructure/postgres/recorder-store.ts';
import { Recorder } from '../processes/recorder/recorder.ts';
import { Retention } from '../processes/recorder/retention.ts';
import { createCatalogueRefresh } from './catalogue-refresh.ts';
import type { PipelineParts, RoleParts } from './roles.ts';

/** Builds the recorder: attempts, events and dead letters into PostgreSQL. */
export function composeRecorder({ base, cluster, codecs, lag }: PipelineParts): RoleParts {
  const { names, log, config } = base;
  const store = openRecorderStore({
    url: config.databaseUrl,
    retentionDays: config.retentionDays,
    now: Date.now,
    log,
    onDisabled: (webhooks) => {
      for (const webhook of webhooks) log.warn(webhook, 'webhook.disabled');
    },
  });
  const reader = createEventReader({
    registry: base.registry,
    catalogue: base.eventTypes,
    refreshCatalogue: createCatalogueRefresh(base.eventTypes),
  });
  const recorder = new Recorder({
    decodeAttempt: (value) => codecs.attempt.decode(value),
    readEvent: (record) => reader.read(record),
    writeBatch: (batch) => store.writeBatch(batch),
    loadOffset: (topic, partition) => store.loadOffset(topic, partition),
    topics: names,
    log,
    now: Date.now,
    onWritten: ({ records, durationMs }) => {
      base.metrics.recordsWritten.value += records;
      base.metrics.recorderWrites.observe(durationMs / 1000);
    },
  });
  const consumer = new TrackedConsumer({
    kafka: base.kafkaFor('recorder'),
    groupId: names.group('recorder'),
    sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    topics: async () => [...(await cluster.inputTopics()), names.attempts, names.deadDeliveries, names.deadEvents],
    handler: recorder,
    log,
    observer: base.metrics.kafka.consumer('recorder'),
    onFatal: base.onFatal,
  });
  lag.follow('recorder', consumer);
  const retention = new Retention({ tidyDays: () => store.tidyDays(), log });
  const service = {
    name: 'recorder',
    start: async () => {
      await retention.start();
      await recorder.start();
      await consumer.start();
    },
    stop: async () => {
      consumer.quiesce();
      await recorder.stop();
      await consumer.stop();
      await retention.stop();
      await store.close();
    },
  };
  const check = () => recorder.waitingFor.join('; ') || null;
  return { services: [service], checks: [{ name: 'recorder', check }] };
}
