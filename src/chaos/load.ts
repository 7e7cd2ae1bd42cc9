import { setTimeout as delay } from 'node:timers/promises';
import type { EventType } from '../domain/event-type.ts';
import type { PublishRecords } from '../domain/record.ts';
import { describeEventType } from '../infrastructure/avro/catalogue-files.ts';
import { createEventPublisher, type EventPublisher } from '../infrastructure/avro/event-publisher.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { epochMs, hashOf } from './ledger.ts';

export const CHAOS_TYPE = 'chaos.happened';

/** The event of the fault suite. */
export const CHAOS_EVENT: EventType = describeEventType(CHAOS_TYPE, {
  type: 'record',
  namespace: 'posthorn.events.chaos',
  name: 'Happened',
  doc: 'An event of the fault suite',
  fields: [
    { name: 'number', type: 'int', doc: 'Its number in the run', example: 1 },
    { name: 'payload', type: 'string', doc: 'Some text', example: 'x' },
  ],
});

/** One event that was handed to Kafka. */
export interface ProducedEvent {
  readonly id: string;
  /** When the brokers acknowledged it; null while they have not, and for ever when they refused. */
  ackedAtMs: number | null;
  readonly bodyHash: string;
}

export interface LoadOptions {
  readonly publish: PublishRecords;
  readonly schemaRegistryUrl: string;
  readonly tenantId: string;
  /** Ids begin with it. */
  readonly name: string;
}

const TICK_MS = 20;
const PAYLOAD = 'x'.repeat(200);

/** The producer of a row and its ledger: what was published, and what of it was acknowledged. */
export class Load {
  readonly events = new Map<string, ProducedEvent>();
  readonly #options: LoadOptions;
  readonly #publisher: EventPublisher<Record<typeof CHAOS_TYPE, { number: number; payload: string }>>;
  readonly #pending = new Set<Promise<ProducedEvent>>();
  #count = 0;
  #isEnded = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#publisher = createEventPublisher({
      publish: options.publish,
      registry: createSchemaRegistry({ url: options.schemaRegistryUrl }),
      eventTypes: [CHAOS_EVENT],
      source: '/chaos',
    });
  }

  /** Publishes one event; resolves when it is acknowledged or refused. */
  async publishOne(id = `${this.#options.name}-${this.#count}`): Promise<ProducedEvent> {
    const number = this.#count++;
    const time = new Date().toISOString();
    const data = { number, payload: PAYLOAD };
    const bodyHash = hashOf(JSON.stringify({ id, type: CHAOS_TYPE, timestamp: time, data }));
    const event: ProducedEvent = { id, ackedAtMs: null, bodyHash };
    this.events.set(id, event);
    try {
      await this.#publisher.publish(CHAOS_TYPE, data, { tenantId: this.#options.tenantId, id, time });
      event.ackedAtMs = epochMs();
    } catch {
      // Not acknowledged: it may arrive or not, and the ledger says so.
    }
    return event;
  }

  /** Publishes at a steady rate, however long acknowledgements take; ends early at `end`. */
  async run(count: number, perSecond: number): Promise<void> {
    this.#isEnded = false;
    const startedMs = performance.now();
    for (let started = 0; started < count && !this.#isEnded; ) {
      const due = Math.min(count, Math.ceil(((performance.now() - startedMs) * perSecond) / 1000));
      for (; started < due; started++) this.#track(this.publishOne());
      await delay(TICK_MS);
    }
    await Promise.all(this.#pending);
  }

  /** No more events are begun. */
  end(): void {
    this.#isEnded = true;
  }

  get acked(): ProducedEvent[] {
    return [...this.events.values()].filter(({ ackedAtMs }) => ackedAtMs !== null);
  }

  #track(publishing: Promise<ProducedEvent>): void {
    this.#pending.add(publishing);
    void publishing.finally(() => this.#pending.delete(publishing));
  }
}
