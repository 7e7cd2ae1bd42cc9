import type { ConsumedRecord, OutgoingRecord } from '../../domain/record.ts';

/** A record on our own topics that is no delivery: kept raw among the dead letters, for somebody to look at. */
export function unreadableDelivery(
  topic: string,
  record: ConsumedRecord,
  error: unknown,
  nowMs: number,
): OutgoingRecord {
  return {
    topic,
    key: record.key,
    value: record.value,
    headers: {
      'posthorn-reason': 'decode_failed',
      'posthorn-error': error instanceof Error ? error.message : String(error),
      'posthorn-source': `${record.topic}/${record.partition}/${record.offset}`,
      'posthorn-failed-at': new Date(nowMs).toISOString(),
    },
  };
}
