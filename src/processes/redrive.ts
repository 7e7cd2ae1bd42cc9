import { type DeadLetterRecord, formatRecordId, parseRecordId, type RecordId } from '../domain/dead-letter.ts';
import { deliveryIdOf } from '../domain/delivery-id.ts';
import type { DeliveryRecord } from '../domain/delivery-record.ts';
import { AppError } from '../domain/errors.ts';
import type { OutgoingRecord, PublishRecords } from '../domain/record.ts';

export interface RedriveDependencies {
  readonly topics: { readonly deadDeliveries: string; readonly deadEvents: string; readonly ready: string };
  readonly isInputTopic: (topic: string) => boolean;
  readonly decodeDelivery: (value: Buffer) => DeliveryRecord | Promise<DeliveryRecord>;
  readonly encodeDelivery: (delivery: DeliveryRecord) => Buffer;
  readonly publish: PublishRecords;
  /** Told of each dead letter that cannot be sent again, and why. */
  readonly onRefused: (letter: DeadLetterRecord, reason: string) => void;
}

/**
 * Sends dead letters again and returns the names of those that Kafka has: deliveries straight to the workers, events to
 * the topic that they came from. Rejects with `unavailable` or `publish_failed`; then none of them counts as sent.
 */
export async function redrive(
  letters: readonly DeadLetterRecord[],
  deps: RedriveDependencies,
): Promise<readonly RecordId[]> {
  const sent: RecordId[] = [];
  const outgoing: OutgoingRecord[] = [];
  for (const letter of letters) {
    const record = await recordFor(letter, deps);
    if (typeof record === 'string') {
      deps.onRefused(letter, record);
    } else {
      outgoing.push(record);
      sent.push(letter);
    }
  }
  await deps.publish(outgoing);
  return sent;
}

/** The record to send, or in words why there is none. */
async function recordFor(letter: DeadLetterRecord, deps: RedriveDependencies): Promise<OutgoingRecord | string> {
  if (letter.topic === deps.topics.deadDeliveries) return deliveryFor(letter, deps);
  if (letter.topic === deps.topics.deadEvents) return eventFor(letter, deps);
  return `records of ${letter.topic} are kept for people to look at`;
}

async function deliveryFor(letter: DeadLetterRecord, deps: RedriveDependencies): Promise<OutgoingRecord | string> {
  if (letter.value === null) return 'the record has no value';
  try {
    const delivery = againFrom(await deps.decodeDelivery(letter.value), formatRecordId(letter));
    // Keyed by webhook, as everything that the workers read.
    return { topic: deps.topics.ready, key: delivery.webhook_id, value: deps.encodeDelivery(delivery) };
  } catch (error) {
    if (error instanceof AppError && error.code === 'bad_request') return error.message;
    throw error;
  }
}

/**
 * A new delivery of the same event to the same webhook, from its first attempt on: in the log of the old one, no attempt
 * could count after its end. Its replay id is the dead letter's name, so doing it twice makes the same delivery.
 */
function againFrom(delivery: DeliveryRecord, replayId: string): DeliveryRecord {
  const { tenant_id: tenantId, event_source: source, event_id: eventId, webhook_id: webhookId } = delivery;
  return {
    ...delivery,
    delivery_id: deliveryIdOf({ tenantId, source, eventId, webhookId, replayId }),
    replay_id: replayId,
    attempt: 1,
    not_before_ms: 0,
    waiting_since_ms: 0,
    rewrites: 0,
  };
}

function eventFor(letter: DeadLetterRecord, deps: RedriveDependencies): OutgoingRecord | string {
  const origin = parseRecordId(letter.source ?? '');
  if (origin === null || !deps.isInputTopic(origin.topic)) return 'nothing tells the topic that it came from';
  const { key, value, headers } = letter;
  return { topic: origin.topic, key, value, headers: originalHeaders(headers) };
}

/** What we added on the way to the dead letters stays behind. */
function originalHeaders(json: string): Record<string, Buffer | Buffer[]> {
  const stored: Readonly<Record<string, readonly string[]>> = JSON.parse(json);
  const original = Object.entries(stored).filter(([name]) => !name.startsWith('posthorn-'));
  return Object.fromEntries(
    original.map(([name, values]) => {
      const decoded = values.map((value) => Buffer.from(value, 'base64'));
      return [name, decoded.length === 1 && decoded[0] !== undefined ? decoded[0] : decoded];
    }),
  );
}
