import type { Config } from '../config.ts';
import type { DeadLetterRecord, RecordId } from '../domain/dead-letter.ts';
import { createDeliveryCodec } from '../infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { KafkaPublisher } from '../infrastructure/kafka/publisher.ts';
import { isInputTopic, topicNames } from '../infrastructure/kafka/topics.ts';
import type { Database } from '../infrastructure/postgres/database.ts';
import {
  type DeadLetterCursor,
  type DeadLetterFilter,
  redriveOne,
  redrivePage,
} from '../infrastructure/postgres/dead-letter-store.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';
import { redrive } from '../processes/redrive.ts';

/** What became of one dead letter that somebody named. */
export type RedriveResult =
  | { readonly kind: 'sent' | 'refused' | 'unknown' }
  | { readonly kind: 'sent_before'; readonly at: string };

/** Sends dead letters again, each one once. */
export interface Redriver {
  redriveOne(id: RecordId): Promise<RedriveResult>;
  /** All that were not sent again and arrived before this call: what fails again waits for the next. */
  redriveAll(filter: DeadLetterFilter): Promise<{ readonly sent: number; readonly refused: number }>;
}

/** Small, because a page is in memory and one record may have megabytes. */
const PAGE = 20;

/** Connects to Kafka and the registry for as long as `use` runs. Rejects with `unavailable` or `publish_failed`. */
export async function withRedriver<T>(
  config: Config,
  database: Database,
  onRefused: (letter: DeadLetterRecord, reason: string) => void,
  use: (redriver: Redriver) => Promise<T>,
): Promise<T> {
  const log = createSilentLogger();
  const codec = await createDeliveryCodec(createSchemaRegistry({ url: config.schemaRegistryUrl }));
  const publisher = new KafkaPublisher({ kafka: createKafkaClient(config.kafka, 'posthorn-redrive', log), log });
  await publisher.start();
  try {
    const resend = (letters: readonly DeadLetterRecord[]) =>
      redrive(letters, {
        topics: topicNames(config.kafka.topicPrefix),
        isInputTopic,
        decodeDelivery: (value) => codec.decode(value),
        encodeDelivery: (delivery) => codec.encode(delivery),
        publish: (records) => publisher.publish(records),
        onRefused,
      });
    return await use(createRedriver(database, resend));
  } finally {
    await publisher.stop();
  }
}

function createRedriver(
  database: Database,
  resend: (letters: readonly DeadLetterRecord[]) => Promise<readonly RecordId[]>,
): Redriver {
  return {
    redriveOne: async (id) => {
      let sent = 0;
      const letter = await redriveOne(database, id, async (letters) => {
        const ids = await resend(letters);
        sent = ids.length;
        return ids;
      });
      if (letter === null) return { kind: 'unknown' };
      if (letter.redrivenAt !== null) return { kind: 'sent_before', at: letter.redrivenAt };
      return { kind: sent > 0 ? 'sent' : 'refused' };
    },
    redriveAll: async (filter) => {
      const arrivedByMs = Date.now();
      let [sent, seen] = [0, 0];
      const counted = async (letters: readonly DeadLetterRecord[]) => {
        const ids = await resend(letters);
        sent += ids.length;
        return ids;
      };
      for (let after: DeadLetterCursor | null = null; ; ) {
        const page: readonly DeadLetterRecord[] = await redrivePage(
          database,
          { ...filter, after, arrivedByMs, limit: PAGE },
          counted,
        );
        after = page.at(-1) ?? null;
        seen += page.length;
        if (after === null) return { sent, refused: seen - sent };
      }
    },
  };
}
