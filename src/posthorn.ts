/**
 * What other programs use of Posthorn: a publisher for typed events, the verification of what Posthorn sends, and the
 * types of both.
 */
import { fileURLToPath } from 'node:url';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import type { EventDataByType } from './generated/event-data.ts';
import { loadEventTypes } from './infrastructure/avro/catalogue-files.ts';
import { createEventPublisher, type EventPublisher } from './infrastructure/avro/event-publisher.ts';
import { SHIPPED_EVENTS_FOLDER } from './infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from './infrastructure/avro/registry.ts';
import { createKafkaClient, type KafkaConnection } from './infrastructure/kafka/client.ts';
import { KafkaPublisher } from './infrastructure/kafka/publisher.ts';
import { createSilentLogger } from './infrastructure/telemetry/logger.ts';

export type * from './generated/event-data.ts';
export type { EventPublisher, PublishAttributes, PublishedEvent } from './infrastructure/avro/event-publisher.ts';

export interface PublisherSettings {
  /** `host:port` of each broker, as a list or separated by commas. */
  readonly kafkaBrokers: string | readonly string[];
  /** With its base path; user and password in it are sent as basic authentication. */
  readonly schemaRegistryUrl: string;
  /** `ce_source` of every event: a URI reference that names your program. */
  readonly source: string;
  /** Folder with your own `<event type>.avsc`; the types that ship with Posthorn when absent. */
  readonly schemas?: string;
  readonly kafkaSsl?: boolean;
  readonly kafkaSasl?: NonNullable<KafkaConnection['sasl']>;
}

/** A publisher with a connection of its own. */
export interface ConnectedPublisher<TData extends object> extends EventPublisher<TData> {
  /** Resolves when everything is sent and the connection closed. */
  close(): Promise<void>;
}

/**
 * Connects to Kafka and resolves when events can be published: idempotent, acks = all, and every acknowledgement
 * checked. Rejects with `bad_request` when the schemas are not valid. Must be closed.
 */
export async function createPublisher<TData extends object = EventDataByType>(
  settings: PublisherSettings,
): Promise<ConnectedPublisher<TData>> {
  const eventTypes = await loadEventTypes(settings.schemas ?? fileURLToPath(SHIPPED_EVENTS_FOLDER));
  const log = createSilentLogger();
  const { kafkaBrokers, kafkaSsl = false, kafkaSasl = null } = settings;
  const brokers = typeof kafkaBrokers === 'string' ? kafkaBrokers.split(',') : kafkaBrokers;
  const kafka = createKafkaClient({ brokers, ssl: kafkaSsl, sasl: kafkaSasl }, 'posthorn-publisher', log);
  const registry = createSchemaRegistry({ url: settings.schemaRegistryUrl });
  const connection = new KafkaPublisher({ kafka, log });
  await connection.start();
  const publisher = createEventPublisher<TData>({
    publish: (records) => connection.publish(records),
    registry,
    eventTypes,
    source: settings.source,
  });
  return { ...publisher, close: () => connection.stop() };
}

/** A delivery as a receiver gets it: `type` tells which `data` it is. Test events are not in this list. */
export type ReceivedEvent = {
  [T in keyof EventDataByType]: {
    readonly id: string;
    readonly type: T;
    /** UTC, ISO 8601. */
    readonly timestamp: string;
    readonly data: EventDataByType[T];
  };
}[keyof EventDataByType];

/**
 * Verifies a delivery with the official Standard Webhooks library and returns its body. Throws
 * `WebhookVerificationError` when the signature or the time is not right. `body` must be the bytes as they came.
 */
export function verify(secret: string, body: string | Buffer, headers: Record<string, string>): ReceivedEvent {
  return new StandardWebhook(secret).verify(body, headers) as ReceivedEvent;
}
