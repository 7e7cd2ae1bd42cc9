import { setTimeout as delay } from 'node:timers/promises';
import type { AssignedPartition, PartitionHandler } from '../domain/consumer-contract.ts';
import { createdAtMs } from '../domain/delivery-day.ts';
import { deliveryIdOf } from '../domain/delivery-id.ts';
import type { DeliveryRecord } from '../domain/delivery-record.ts';
import type { Event, EventReadResult } from '../domain/event.ts';
import type { ConsumedRecord, OutgoingRecord, PublishRecords } from '../domain/record.ts';
import type { CachedWebhook } from '../domain/webhook.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';
import type { RouteSpan } from '../infrastructure/telemetry/tracing.ts';
import { deadEventRecord } from './dead-event.ts';
import { PartitionChains } from './partition-chains.ts';

export interface RouterDependencies {
  /** Rejects only while the schema registry cannot be asked. */
  readonly readEvent: (record: ConsumedRecord) => EventReadResult | Promise<EventReadResult>;
  readonly match: (event: Event) => readonly CachedWebhook[];
  readonly encodeDelivery: (delivery: DeliveryRecord) => Buffer;
  readonly publish: PublishRecords;
  readonly topics: { readonly deliveries: string; readonly deadEvents: string };
  readonly log: Logger;
  readonly now: () => number;
  /** Begins to follow an event; null while nobody follows traces. */
  readonly trace: ((record: ConsumedRecord, event: Event) => RouteSpan) | null;
  /** Counts what was routed, for metrics. */
  readonly onRouted: (counts: RoutedCounts) => void;
}

/** What came of some records. */
export interface RoutedCounts {
  /** Events by type. */
  readonly types: Map<string, number>;
  /** Records that are no events, by reason. */
  readonly rejections: Map<string, number>;
  deliveries: number;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Turns events into deliveries: one record per webhook that wants the event, and the input is resolved once the broker
 * has all of them. A crash in between makes the same deliveries again, with the same ids.
 */
export class Router implements PartitionHandler {
  readonly #deps: RouterDependencies;
  readonly #chains = new PartitionChains();

  constructor(deps: RouterDependencies) {
    this.#deps = deps;
  }

  onRecords(partition: AssignedPartition, records: readonly ConsumedRecord[]): void {
    this.#chains.add(partition, () => this.#route(partition, records));
  }

  /** Resolves when everything that was handed over is routed or its partition lost. */
  drain(): Promise<void> {
    return this.#chains.idle();
  }

  async #route(partition: AssignedPartition, records: readonly ConsumedRecord[]): Promise<void> {
    const outgoing: OutgoingRecord[] = [];
    const traced: { span: RouteSpan; deliveries: number }[] = [];
    const counts: RoutedCounts = { types: new Map(), rejections: new Map(), deliveries: 0 };
    for (const record of records) {
      const read = this.#deps.readEvent(record);
      const result = read instanceof Promise ? await this.#readPatiently(partition, record, read) : read;
      if (result === null) return;
      if (result.kind === 'rejected') {
        countOne(counts.rejections, result.rejection.reason);
        outgoing.push(deadEventRecord(this.#deps.topics.deadEvents, record, result.rejection, this.#deps.now()));
      } else {
        countOne(counts.types, result.event.type);
        const span = this.#deps.trace?.(record, result.event) ?? null;
        const event = span === null ? result.event : { ...result.event, traceparent: span.traceparent };
        const deliveries = this.#fanOut(record, event, outgoing);
        counts.deliveries += deliveries;
        if (span !== null) traced.push({ span, deliveries });
      }
    }
    if (await this.#publishPatiently(partition, outgoing)) {
      partition.resolveThrough(records.at(-1)?.offset ?? -1);
      this.#deps.onRouted(counts);
      for (const { span, deliveries } of traced) span.end(deliveries);
    }
  }

  #fanOut(record: ConsumedRecord, event: Event, outgoing: OutgoingRecord[]): number {
    const webhooks = this.#deps.match(event);
    const createdAt = createdAtMs(record.timestampMs, this.#deps.now());
    for (const webhook of webhooks) {
      const value = this.#deps.encodeDelivery(firstDelivery(event, webhook, createdAt));
      // Keyed by webhook: all work of a webhook is then in one partition, so its lane, rate and breaker are exact.
      outgoing.push({ topic: this.#deps.topics.deliveries, key: webhook.id, value });
    }
    return webhooks.length;
  }

  /** Waits while the registry is out of reach: an outage is no reason to call a record bad. Null when the partition is lost. */
  async #readPatiently(
    partition: AssignedPartition,
    record: ConsumedRecord,
    first: Promise<EventReadResult>,
  ): Promise<EventReadResult | null> {
    let attempt: EventReadResult | Promise<EventReadResult> = first;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await attempt;
      } catch (error) {
        if (!partition.isActive) return null;
        this.#deps.log.warn({ error: String(error), pauseMs }, 'router.waits_for_registry');
        await delay(pauseMs);
        attempt = this.#deps.readEvent(record);
      }
    }
  }

  /** False when the partition was lost before Kafka took the records: its next owner routes them. */
  async #publishPatiently(partition: AssignedPartition, records: readonly OutgoingRecord[]): Promise<boolean> {
    while (partition.isActive) {
      try {
        await this.#deps.publish(records);
        return true;
      } catch (error) {
        this.#deps.log.warn({ error: String(error), records: records.length }, 'router.waits_for_kafka');
        await delay(FIRST_PAUSE_MS);
      }
    }
    return false;
  }
}

function countOne(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function firstDelivery(event: Event, webhook: CachedWebhook, createdAt: number): DeliveryRecord {
  const identity = {
    tenantId: event.tenantId,
    source: event.source,
    eventId: event.id,
    webhookId: webhook.id,
    replayId: '',
  };
  return {
    delivery_id: deliveryIdOf(identity),
    webhook_id: webhook.id,
    tenant_id: event.tenantId,
    event_id: event.id,
    event_type: event.type,
    event_source: event.source,
    event_time: event.time,
    subject: event.subject,
    replay_id: null,
    created_at_ms: createdAt,
    attempt: 1,
    not_before_ms: 0,
    waiting_since_ms: 0,
    rewrites: 0,
    traceparent: event.traceparent,
    body: event.body,
  };
}
