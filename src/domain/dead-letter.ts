import type { DeadLetterEntry } from './log-entries.ts';

/** Where a record lies on Kafka, which is also its name: written `topic/partition/offset`. */
export interface RecordId {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A dead letter as the log keeps it, without the record itself. */
export interface DeadLetter extends Omit<DeadLetterEntry, 'key' | 'value' | 'headers'> {
  /** When it was sent again, ISO 8601; null = not yet. */
  readonly redrivenAt: string | null;
}

/** A dead letter with the record that it is about. */
export interface DeadLetterRecord extends DeadLetter, Pick<DeadLetterEntry, 'key' | 'value' | 'headers'> {}

export function formatRecordId({ topic, partition, offset }: RecordId): string {
  return `${topic}/${partition}/${offset}`;
}

const MAX_PARTITION = 2_147_483_647;

/** Null when the text is no such name. */
export function parseRecordId(text: string): RecordId | null {
  const [, topic, partitionText, offsetText] = /^([A-Za-z0-9._-]{1,249})\/(\d{1,10})\/(\d{1,16})$/.exec(text) ?? [];
  if (topic === undefined) return null;
  const [partition, offset] = [Number(partitionText), Number(offsetText)];
  return partition <= MAX_PARTITION && Number.isSafeInteger(offset) ? { topic, partition, offset } : null;
}
