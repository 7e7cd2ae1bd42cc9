import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config.ts';
import type { EventType } from '../domain/event-type.ts';
import { loadEventTypes } from '../infrastructure/avro/catalogue-files.ts';
import { createEventPublisher, type EventPublisher } from '../infrastructure/avro/event-publisher.ts';
import { SHIPPED_EVENTS_FOLDER } from '../infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { KafkaPublisher } from '../infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';

/** The demo's producer: samples of the catalogue, to Kafka. */
export interface DemoProducer {
  readonly types: readonly string[];
  /** One sample of each type, one after another. */
  publishRound(): Promise<void>;
  /** Samples one after another until the signal aborts; then resolves. Rejects when Kafka takes no more. */
  publishSteadily(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface DemoProducerOptions {
  readonly config: Pick<Config, 'kafka' | 'schemaRegistryUrl'>;
  readonly tenantId: string;
  /** Called before the event is published. */
  readonly onPublish: (event: { readonly id: string; readonly type: string }) => void;
}

const TRICKLE_PAUSE_MS = 300;

/** Connects the producer; must be closed. */
export async function startDemoProducer(options: DemoProducerOptions): Promise<DemoProducer> {
  const { config } = options;
  const eventTypes = await loadEventTypes(fileURLToPath(SHIPPED_EVENTS_FOLDER));
  const log = createSilentLogger();
  const connection = new KafkaPublisher({ kafka: createKafkaClient(config.kafka, 'posthorn-demo', log), log });
  await connection.start();
  const publisher = createEventPublisher<Record<string, object>>({
    publish: (records) => connection.publish(records),
    registry: createSchemaRegistry({ url: config.schemaRegistryUrl }),
    eventTypes,
    source: '/posthorn/demo',
  });
  const publish = (eventType: EventType) => publishSample(publisher, eventType, options);
  return {
    types: eventTypes.map(({ type }) => type),
    publishRound: async () => {
      for (const eventType of eventTypes) await publish(eventType);
    },
    publishSteadily: (signal) => publishSteadily(eventTypes, publish, signal),
    close: () => connection.stop(),
  };
}

async function publishSample(
  publisher: EventPublisher<Record<string, object>>,
  { type, sample }: EventType,
  { tenantId, onPublish }: DemoProducerOptions,
): Promise<void> {
  const id = randomUUID();
  onPublish({ id, type });
  await publisher.publish(type, sample, { tenantId, id });
}

async function publishSteadily(
  eventTypes: readonly EventType[],
  publish: (eventType: EventType) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    const eventType = eventTypes[turn % eventTypes.length];
    if (eventType !== undefined) await publish(eventType);
    // The pause ends early when it is aborted, which is how the loop ends.
    await pause(TRICKLE_PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}
