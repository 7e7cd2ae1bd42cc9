import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import type { Logger } from '../telemetry/logger.ts';
import { guardConnection } from './connection-guard.ts';
import { guardRequestQueue } from './request-queue-guard.ts';

/** How to reach the brokers. */
export interface KafkaConnection {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly ssl: boolean;
  readonly sasl: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string } | null;
}

/** How long a client tries before it gives up. */
export interface KafkaPatience {
  readonly retries: number;
  /** Of connecting and of a request, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * A kafkajs client. `clientId` is ordered and stable per replica (`posthorn-delivery-0`): brokers build member ids from
 * it and assigners sort member ids, so a restarted replica gets its partitions back.
 */
export function createKafkaClient(
  connection: KafkaConnection,
  clientId: string,
  log: Logger,
  patience: KafkaPatience = { retries: 8, timeoutMs: 30_000 },
): Kafka {
  guardRequestQueue();
  guardConnection();
  const config: KafkaConfig = {
    clientId,
    brokers: [...connection.brokers],
    ssl: connection.ssl,
    connectionTimeout: 3000,
    requestTimeout: patience.timeoutMs,
    retry: { retries: patience.retries, initialRetryTime: 100, maxRetryTime: 1000 },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => forward(log, entry),
  };
  if (connection.sasl !== null) config.sasl = connection.sasl as SASLOptions;
  return new Kafka(config);
}

/** kafkajs reports each retry of a retry as an error; what matters reaches us as an exception or an event. */
function forward(
  log: Logger,
  { level, namespace, log: entry }: Parameters<ReturnType<NonNullable<KafkaConfig['logCreator']>>>[0],
): void {
  const fields = { namespace, broker: entry['broker'], groupId: entry['groupId'], error: entry['error'] };
  if (level <= logLevel.WARN) log.debug(fields, `kafka client: ${entry.message}`);
}
