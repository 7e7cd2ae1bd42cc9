/** One thing that happened, as it came from Kafka and was found good: CloudEvents attributes plus the rendered body. */
export interface Event {
  /** `ce_id`: `[A-Za-z0-9_-]{1,64}`, unique per tenant; becomes `webhook-id` on the wire. */
  readonly id: string;
  /** `ce_type`, e.g. `screening.completed`. */
  readonly type: string;
  /** `ce_source`: URI-reference of the producer. */
  readonly source: string;
  /** `ce_time` as the same instant in UTC, ISO 8601 with the precision it came with. */
  readonly time: string;
  /** `ce_tenantid`: who may receive it. */
  readonly tenantId: string;
  /** `ce_subject`: the entity, the ordering key. */
  readonly subject: string | null;
  /** W3C trace context of the producer. */
  readonly traceparent: string | null;
  /** The exact JSON bytes that receivers get: `{"id","type","timestamp","data"}`. */
  readonly body: Buffer;
}

/** Why a record cannot become an event; stable codes of the dead-letter topic's `posthorn-reason` header. */
export type EventRejectionReason =
  | 'missing_attribute'
  | 'invalid_attribute'
  | 'unknown_type'
  | 'type_mismatch'
  | 'bad_framing'
  | 'unknown_schema'
  | 'decode_failed'
  | 'schema_violation'
  | 'too_large';

/** A record that cannot become an event: the code for programs, the sentence for people. */
export interface EventRejection {
  readonly reason: EventRejectionReason;
  readonly message: string;
}

/** What reading one record gave. */
export type EventReadResult =
  | { readonly kind: 'event'; readonly event: Event }
  | { readonly kind: 'rejected'; readonly rejection: EventRejection };
