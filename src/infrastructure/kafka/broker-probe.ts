import { Kafka, logLevel } from 'kafkajs';
import { guardConnection } from './connection-guard.ts';
import { guardRequestQueue } from './request-queue-guard.ts';

const READINESS_GROUP = 'posthorn-readiness';
const TIMEOUT_MS = 2_000;

/**
 * Resolves when a cluster serves: `brokerCount` brokers are in its metadata and the group coordinator answers. The
 * latter makes the cluster create its offsets topic, without which a kafkajs consumer may end for good on its first join.
 */
export async function probeBrokers(brokers: readonly string[], brokerCount: number): Promise<void> {
  guardRequestQueue();
  guardConnection();
  const admin = new Kafka({
    clientId: 'posthorn-probe',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: TIMEOUT_MS,
    requestTimeout: TIMEOUT_MS,
    retry: { retries: 0 },
  }).admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    if (cluster.brokers.length < brokerCount) {
      throw new Error(`${cluster.brokers.length} of ${brokerCount} brokers are in the cluster`);
    }
    await admin.fetchOffsets({ groupId: READINESS_GROUP });
  } finally {
    await admin.disconnect();
  }
}
