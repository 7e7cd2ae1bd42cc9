/** Header values as Kafka clients hand them over: absent, one, or several of the same name. */
export type RecordHeaders = Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>>;

/** One record read from Kafka. Offsets are exact as numbers up to 2^53. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Record timestamp, epoch milliseconds: append time on our topics, the producer's on `events.*`. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RecordHeaders;
}

/** One record to write. Without `partition` the key decides (murmur2, as the Java client does). */
export interface OutgoingRecord {
  readonly topic: string;
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer | (string | Buffer)[]>>;
  readonly partition?: number;
}

/** Writes records so that they are in the log when the promise resolves (acks = all, checked). Rejects with `publish_failed`. */
export type PublishRecords = (records: readonly OutgoingRecord[]) => Promise<void>;

/** The first value of a header as text, or null when it is missing. */
export function headerText(headers: RecordHeaders, name: string): string | null {
  const value = headers[name];
  const first = Array.isArray(value) ? value[0] : value;
  return first === undefined || first === null ? null : first.toString();
}
