/** One event for one webhook, with the field names of `schemas/delivery.avsc`. */
export interface DeliveryRecord {
  /** UUIDv5 of (tenant, source, event id, webhook id, replay id or empty). */
  readonly delivery_id: string;
  readonly webhook_id: string;
  readonly tenant_id: string;
  /** `ce_id`; `webhook-id` on the wire. */
  readonly event_id: string;
  readonly event_type: string;
  readonly event_source: string;
  /** `ce_time` in UTC, ISO 8601. */
  readonly event_time: string;
  readonly subject: string | null;
  readonly replay_id: string | null;
  /** When the event reached Kafka, epoch milliseconds; names the day of the rows in the log. */
  readonly created_at_ms: number;
  /** Number of the next attempt, from 1. */
  readonly attempt: number;
  /** Earliest time of the next attempt, epoch milliseconds; 0 = now. */
  readonly not_before_ms: number;
  /** Since when this attempt has been waiting for a free slot, epoch milliseconds; 0 = not yet. */
  readonly waiting_since_ms: number;
  /** How often this attempt was set aside without being made. */
  readonly rewrites: number;
  readonly traceparent: string | null;
  /** The exact JSON bytes to sign and send. */
  readonly body: Buffer;
}
