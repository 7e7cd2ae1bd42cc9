import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import { Client } from 'pg';

/** Clients that are not ours, to look at the servers from outside. */

export function rawKafka(brokers: string, options: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({ clientId: 'test', brokers: brokers.split(','), logLevel: logLevel.NOTHING, ...options });
}

/** Runs statements on one connection and answers the rows of the last one. */
export async function rawQuery(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await client.query(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}
