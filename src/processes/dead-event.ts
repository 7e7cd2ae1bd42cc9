import type { EventRejection } from '../domain/event.ts';
import type { ConsumedRecord, OutgoingRecord } from '../domain/record.ts';

/** A record that cannot become an event, as it goes to `events.dead`: key, value and headers as they were, plus why and whence. */
export function deadEventRecord(
  topic: string,
  record: ConsumedRecord,
  rejection: EventRejection,
  nowMs: number,
): OutgoingRecord {
  const headers: Record<string, string | Buffer | (string | Buffer)[]> = {};
  for (const [name, value] of Object.entries(record.headers)) {
    if (value !== undefined) headers[name] = isList(value) ? [...value] : value;
  }
  headers['posthorn-reason'] = rejection.reason;
  headers['posthorn-error'] = rejection.message;
  headers['posthorn-source'] = `${record.topic}/${record.partition}/${record.offset}`;
  headers['posthorn-failed-at'] = new Date(nowMs).toISOString();
  return { topic, key: record.key, value: record.value, headers };
}

function isList(value: Buffer | string | readonly (Buffer | string)[]): value is readonly (Buffer | string)[] {
  return Array.isArray(value);
}
