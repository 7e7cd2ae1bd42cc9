/** One entry of the catalogue: an event type that producers may publish and webhooks may subscribe to. */
export interface EventType {
  /** e.g. `screening.completed`; the part before the first dot is the domain, which names the topic `events.<domain>`. */
  readonly type: string;
  /** Full Avro record name = subject in the schema registry, e.g. `posthorn.events.screening.Completed`. */
  readonly recordName: string;
  /** What happened, in one sentence (the `doc` of the record). */
  readonly description: string;
  /** The Avro schema (parsed JSON) that readers decode into: the newest registered version. */
  readonly avroSchema: unknown;
  /** JSON Schema of `data` in the receiver's form. */
  readonly jsonSchema: Record<string, unknown>;
  /** A realistic sample of `data` in the receiver's form. */
  readonly sample: Record<string, unknown>;
}

/** The wildcard and the synthetic type: subscribable, never published on Kafka. */
export const ALL_EVENTS = 'all';
export const TEST_EVENT = 'test';
