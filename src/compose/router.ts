import { WebhookIndex } from '../domain/matching.ts';
import { createEventReader } from '../infrastructure/avro/event-reader.ts';
import { TrackedConsumer } from '../infrastructure/kafka/consumer.ts';
import { Router } from '../processes/router.ts';
import { createCatalogueRefresh } from './catalogue-refresh.ts';
import type { Foundation } from './foundation.ts';
import { type PipelineParts, type RoleParts, within } from './roles.ts';

const DRAIN_MS = 10_000;

/** Builds the router: events in, deliveries out. */
export function composeRouter({ base, cluster, codecs, lag, tracing }: PipelineParts): RoleParts {
  const { names, log, metrics } = base;
  const index = followWebhooks(base);
  const reader = createEventReader({
    registry: base.registry,
    catalogue: base.eventTypes,
    refreshCatalogue: createCatalogueRefresh(base.eventTypes),
  });
  const router = new Router({
    readEvent: (record) => reader.read(record),
    match: (event) => index.match(event),
    encodeDelivery: (delivery) => codecs.delivery.encode(delivery),
    publish: (records) => base.publisher.publish(records),
    trace:
      tracing === null
        ? null
        : ({ topic, partition, offset }, event) =>
            tracing.route(event, { topic, partition, offset, group: names.group('router') }),
    topics: names,
    log,
    now: Date.now,
    onRouted: ({ types, deliveries, rejections }) => {
      for (const [type, count] of types) metrics.eventsRouted(type).value += count;
      for (const [reason, count] of rejections) metrics.eventsRejected(reason).value += count;
      metrics.deliveriesCreated.value += deliveries;
    },
  });
  const consumer = new TrackedConsumer({
    kafka: base.kafkaFor('router'),
    groupId: names.group('router'),
    sessionTimeoutMs: base.config.kafka.sessionTimeoutMs,
    topics: () => cluster.inputTopics(),
    handler: router,
    log,
    observer: base.metrics.kafka.consumer('router'),
    onFatal: base.onFatal,
  });
  lag.follow('router', consumer);
  const service = {
    name: 'router',
    start: () => consumer.start(),
    stop: async () => {
      consumer.quiesce();
      await within(DRAIN_MS, router.drain());
      await consumer.stop();
    },
  };
  return { services: [service], checks: [{ name: 'webhooks', check: () => base.webhooks.waitsFor() }] };
}

/** Keeps the index equal to the webhooks in memory, one changed webhook at a time. */
function followWebhooks({ webhooks }: Foundation): WebhookIndex {
  const index = new WebhookIndex();
  const update = (ids: readonly string[]) => {
    for (const id of ids) {
      const webhook = webhooks.get(id);
      if (webhook === undefined) index.remove(id);
      else index.put(webhook);
    }
  };
  update([...webhooks.all()].map(({ id }) => id));
  webhooks.onChange(update);
  return index;
}
