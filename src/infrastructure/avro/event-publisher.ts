import { randomUUID } from 'node:crypto';
import { AppError } from '../../domain/errors.ts';
import { readEventAttributes } from '../../domain/event-attributes.ts';
import { eventTopicOf } from '../../domain/event-naming.ts';
import type { EventType } from '../../domain/event-type.ts';
import type { OutgoingRecord, PublishRecords } from '../../domain/record.ts';
import { createEventDataCodec, type EventDataCodec } from './event-data-codec.ts';
import { frame } from './framing.ts';
import { MappingError } from './mapping-error.ts';
import type { SchemaRegistry } from './registry.ts';

/** What an event says of itself beside its data. */
export interface PublishAttributes {
  /** Who may receive it. */
  readonly tenantId: string;
  /** The entity that it is about: events of one subject keep their order. */
  readonly subject?: string;
  /** `[A-Za-z0-9_-]{1,64}`, unique per tenant; a random UUID when absent. Give your own to make a retry harmless. */
  readonly id?: string;
  /** When it happened; now when absent. */
  readonly time?: Date | string;
  /** W3C trace context. */
  readonly traceparent?: string;
}

/** What went to Kafka. */
export interface PublishedEvent {
  readonly id: string;
  readonly type: string;
  readonly topic: string;
  readonly time: string;
}

/** Publishes events whose data is checked against their schema, at compile time where `TData` knows the type. */
export interface EventPublisher<TData extends object> {
  /**
   * Resolves when the event is in the log. Rejects with `bad_request` (attributes or data do not fit; the message names
   * the field), `not_found` (type or schema not registered), `unavailable` (registry) or `publish_failed` (Kafka).
   */
  publish<T extends keyof TData & string>(
    type: T,
    data: TData[T],
    attributes: PublishAttributes,
  ): Promise<PublishedEvent>;
}

export interface EventPublisherOptions {
  readonly publish: PublishRecords;
  readonly registry: Pick<SchemaRegistry, 'idOf'>;
  /** The types that can be published, with the schemas to write with. */
  readonly eventTypes: readonly EventType[];
  /** `ce_source` of everything this publisher sends: a URI reference. */
  readonly source: string;
  readonly now?: () => number;
}

/** The media type of Avro in Confluent's framing: none is registered, this one is widely understood. */
const AVRO_CONTENT_TYPE = 'application/vnd.confluent.avro';

/** Creates a publisher on top of whatever writes records. Schema ids are looked up once per type. */
export function createEventPublisher<TData extends object>(options: EventPublisherOptions): EventPublisher<TData> {
  const writers = new Map(options.eventTypes.map((eventType) => [eventType.type, createWriter(eventType, options)]));
  const now = options.now ?? Date.now;
  return {
    async publish(type, data, attributes) {
      const writer = writers.get(type);
      if (writer === undefined) throw new AppError('not_found', `there is no schema for the event type ${type}`);
      const headers = headersFor(type, attributes, { source: options.source, nowMs: now() });
      const value = await writer(data);
      const record = recordOf(type, value, headers);
      await options.publish([record]);
      return { id: headers.ce_id, type, topic: record.topic, time: headers.ce_time };
    },
  };
}

type Writer = (data: unknown) => Promise<Buffer>;

function createWriter(eventType: EventType, { registry }: EventPublisherOptions): Writer {
  let codec: EventDataCodec | undefined;
  let schemaId: number | undefined;
  return async (data) => {
    codec ??= createEventDataCodec(eventType);
    const value = encode(codec, eventType.type, data);
    schemaId ??= await registry.idOf(eventType.recordName, eventType.avroSchema);
    return frame(schemaId, value);
  };
}

function encode(codec: EventDataCodec, type: string, data: unknown): Buffer {
  try {
    return codec.encode(data);
  } catch (error) {
    if (!(error instanceof MappingError)) throw error;
    throw new AppError('bad_request', `${type}: ${error.where('data')} ${error.reason}`);
  }
}

interface EventHeaders extends Record<string, string> {
  readonly ce_id: string;
  readonly ce_time: string;
}

function headersFor(
  type: string,
  { tenantId, subject, id, time, traceparent }: PublishAttributes,
  { source, nowMs }: { source: string; nowMs: number },
): EventHeaders {
  const headers: EventHeaders = {
    'content-type': AVRO_CONTENT_TYPE,
    ce_specversion: '1.0',
    ce_id: id ?? randomUUID(),
    ce_source: source,
    ce_type: type,
    ce_time: typeof time === 'string' ? time : (time ?? new Date(nowMs)).toISOString(),
    ce_tenantid: tenantId,
    ...(subject === undefined ? {} : { ce_subject: subject }),
    ...(traceparent === undefined ? {} : { traceparent }),
  };
  // The same rules that the router applies: what it would refuse is refused here, where somebody can react.
  const checked = readEventAttributes(headers);
  if (checked.kind === 'invalid') throw new AppError('bad_request', checked.rejection.message);
  return headers;
}

function recordOf(type: string, value: Buffer, headers: EventHeaders): OutgoingRecord {
  // Keyed by subject, so that what happens to one entity stays in order; without one, by id, so that load spreads.
  const key = headers['ce_subject'] ?? headers.ce_id;
  return { topic: eventTopicOf(type), key, value, headers };
}
