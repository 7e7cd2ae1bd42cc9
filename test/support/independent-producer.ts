import { randomUUID } from 'node:crypto';
import { type Schema, Type, types } from 'avsc';
import type { IHeaders, Message, Producer } from 'kafkajs';
import { rawKafka } from './raw-clients.ts';
import { testServers } from './servers.ts';

/** An event as a team of another company would publish it. */
export interface ProducedEvent {
  readonly tenantId: string;
  readonly type: string;
  /** In JSON form: ISO times, decimals as strings. */
  readonly data: unknown;
  readonly id?: string;
  readonly time?: string;
  /** Sent as JSON instead of Avro. */
  readonly asJson?: boolean;
  readonly partition?: number;
  readonly headers?: IHeaders;
}

/** Where a record went. */
export interface Coordinates {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * A producer that shares no code with ours: the bare kafkajs client, avsc and the registry's REST interface, written from
 * the documentation of the wire format alone.
 */
export class IndependentProducer implements AsyncDisposable {
  private readonly producer: Producer;
  private readonly registryUrl: string;
  private readonly writers = new Map<string, Promise<Writer>>();

  private constructor(producer: Producer, registryUrl: string) {
    this.producer = producer;
    this.registryUrl = registryUrl;
  }

  static async connect(): Promise<IndependentProducer> {
    const { kafkaBrokers, schemaRegistryUrl } = testServers();
    const producer = rawKafka(kafkaBrokers.join(',')).producer();
    await producer.connect();
    return new IndependentProducer(producer, schemaRegistryUrl);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.producer.disconnect();
  }

  /** Publishes events and gives back their ids, in order. */
  async publish(events: readonly ProducedEvent[]): Promise<string[]> {
    const byTopic = new Map<string, Message[]>();
    const ids: string[] = [];
    for (const event of events) {
      const message = await this.message(event);
      ids.push(String(message.headers?.['ce_id']));
      const topic = topicOf(event.type);
      byTopic.set(topic, [...(byTopic.get(topic) ?? []), message]);
    }
    const topicMessages = [...byTopic].map(([topic, messages]) => ({ topic, messages }));
    await this.producer.sendBatch({ topicMessages, acks: -1 });
    return ids;
  }

  /** The Kafka record of an event. */
  async message(event: ProducedEvent): Promise<Message> {
    const { tenantId, type, data, id = `evt_${randomUUID()}`, asJson = false, partition } = event;
    const headers: IHeaders = {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: 'https://producer.example/e2e',
      ce_type: type,
      ce_time: event.time ?? new Date().toISOString(),
      ce_tenantid: tenantId,
      'content-type': asJson ? 'application/json' : 'application/avro',
      ...event.headers,
    };
    const value = asJson ? Buffer.from(JSON.stringify(data)) : await this.encode(type, data);
    return { key: id, value, headers, ...(partition === undefined ? {} : { partition }) };
  }

  /** Sends records to one partition as they are, and tells where each went. */
  async sendRaw(topic: string, partition: number, messages: readonly Message[]): Promise<Coordinates[]> {
    const [result] = await this.producer.send({
      topic,
      acks: -1,
      messages: messages.map((message) => ({ ...message, partition })),
    });
    const first = Number(result?.baseOffset);
    return messages.map((_, index) => ({ topic, partition, offset: first + index }));
  }

  /** Confluent's wire format: a zero byte, the schema's id, the Avro value. */
  async encode(type: string, data: unknown): Promise<Buffer> {
    const subject = subjectOf(type);
    const writer = this.writers.get(subject) ?? fetchWriter(this.registryUrl, subject);
    this.writers.set(subject, writer);
    const { id, avro } = await writer;
    const head = Buffer.alloc(5);
    head.writeUInt32BE(id, 1);
    return Buffer.concat([head, avro.toBuffer(avro.clone(data, { wrapUnions: true }))]);
  }
}

interface Writer {
  readonly id: number;
  readonly avro: Type;
}

async function fetchWriter(registryUrl: string, subject: string): Promise<Writer> {
  const response = await fetch(`${registryUrl}/subjects/${subject}/versions/latest`);
  if (!response.ok) throw new Error(`${subject}: the registry answers ${response.status}`);
  const { id, schema } = (await response.json()) as { id: number; schema: string };
  return { id, avro: Type.forSchema(JSON.parse(schema, markBytes) as Schema, { logicalTypes }) };
}

/** Bytes stand as base64 in JSON; with a name of their own they can be converted like the logical types. */
function markBytes(_: string, part: unknown): unknown {
  if (Array.isArray(part)) return part.map((branch: unknown) => (branch === 'bytes' ? BASE64_BYTES : branch));
  if (typeof part !== 'object' || part === null || !('type' in part)) return part;
  if (part.type === 'fixed' && !('logicalType' in part)) return { ...part, logicalType: 'base64' };
  return part.type === 'bytes' && 'name' in part ? { ...part, type: BASE64_BYTES } : part;
}

const BASE64_BYTES = { type: 'bytes', logicalType: 'base64' };

export function topicOf(type: string): string {
  return `events.${type.split('.', 1)[0]}`;
}

/** `posthorn.events.non_document.CheckInitiated` of `non_document.check_initiated`. */
function subjectOf(type: string): string {
  const [domain = '', ...rest] = type.split('.');
  const name = rest.join('_').replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return `posthorn.events.${domain}.${name}`;
}

abstract class FromText<T> extends types.LogicalType {
  protected abstract parse(text: string): T;
  protected override _fromValue(value: unknown): unknown {
    return value;
  }
  protected override _toValue(value: unknown): unknown {
    return typeof value === 'string' ? this.parse(value) : value;
  }
  protected override _resolve(): undefined {
    return undefined;
  }
}

class Day extends FromText<number> {
  protected parse(text: string): number {
    return Date.parse(`${text}T00:00:00Z`) / 86_400_000;
  }
}

class Millis extends FromText<number> {
  protected parse(text: string): number {
    return Date.parse(text);
  }
}

class Micros extends FromText<number> {
  protected parse(text: string): number {
    const [, whole = '', decimals = ''] = /^([^.]+)(?:\.(\d+))?Z$/.exec(text) ?? [];
    return Date.parse(`${whole}Z`) * 1000 + Number(decimals.padEnd(6, '0').slice(0, 6));
  }
}

/** The unscaled value, big-endian two's complement. */
class Decimal extends FromText<Buffer> {
  private readonly scale: number;

  constructor(schema: Schema & { scale?: number }, options: object) {
    super(schema, options);
    this.scale = schema.scale ?? 0;
  }

  protected parse(text: string): Buffer {
    const [whole = '0', decimals = ''] = text.split('.');
    let rest = BigInt(whole + decimals.padEnd(this.scale, '0'));
    const bytes: number[] = [];
    do {
      bytes.unshift(Number(BigInt.asUintN(8, rest)));
      rest >>= 8n;
    } while (!(rest === 0n && (bytes[0] ?? 0) < 128) && !(rest === -1n && (bytes[0] ?? 0) >= 128));
    return Buffer.from(bytes);
  }
}

class Base64 extends FromText<Buffer> {
  protected parse(text: string): Buffer {
    return Buffer.from(text, 'base64');
  }
}

/** Months, days and milliseconds, little-endian; ISO 8601 in whole days is all that the samples use. */
class Duration extends FromText<Buffer> {
  protected parse(text: string): Buffer {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt32LE(Number(/^P(\d+)D$/.exec(text)?.[1]), 4);
    return bytes;
  }
}

const logicalTypes = {
  base64: Base64,
  duration: Duration,
  date: Day,
  'timestamp-millis': Millis,
  'timestamp-micros': Micros,
  decimal: Decimal,
};
