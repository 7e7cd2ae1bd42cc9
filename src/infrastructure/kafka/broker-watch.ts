import type { Logger } from '../telemetry/logger.ts';
import { createKafkaClient, type KafkaConnection } from './client.ts';

/** Asks the brokers whether they are there, and for nothing else. */
export interface BrokerWatch {
  /** Resolves when a broker answers; rejects within seconds when none does. */
  ask(): Promise<void>;
  close(): Promise<void>;
}

const PATIENCE = { retries: 0, timeoutMs: 3_000 };

/** A client of its own, because all others try for long before they give up. Connects with the first question. */
export function createBrokerWatch(connection: KafkaConnection, clientId: string, log: Logger): BrokerWatch {
  const admin = createKafkaClient(connection, clientId, log, PATIENCE).admin();
  return {
    ask: async () => {
      try {
        await admin.connect();
        await admin.describeCluster();
      } catch (cause) {
        throw new Error('no broker answers', { cause });
      }
    },
    close: () => admin.disconnect(),
  };
}
