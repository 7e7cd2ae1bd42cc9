import type { LagWatch } from '../infrastructure/kafka/lag-watch.ts';
import type { Service } from '../infrastructure/lifecycle.ts';
import type { Tracing } from '../infrastructure/telemetry/tracing.ts';
import type { ReadinessCheck } from '../processes/ops-server.ts';
import type { AttemptCodec, ClusterAdmin, DeliveryCodec, Foundation } from './foundation.ts';

/** The roles that a process can play. */
export const ROLES = ['api', 'router', 'delivery', 'retry', 'recorder'] as const;
export type Role = (typeof ROLES)[number];

/** What the pipeline roles are built from, once everything they need has answered. */
export interface PipelineParts {
  readonly base: Foundation;
  readonly cluster: ClusterAdmin;
  readonly lag: LagWatch;
  /** Null while traces are off. */
  readonly tracing: Tracing | null;
  readonly codecs: { readonly delivery: DeliveryCodec; readonly attempt: AttemptCodec };
}

/** A role, ready to be started: services in start order, and what readiness asks of them. */
export interface RoleParts {
  readonly services: readonly Service[];
  readonly checks: readonly ReadinessCheck[];
}

/** Resolves after `work` or when the time is up, whichever comes first; false when the time was up. */
export async function within(deadlineMs: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), deadlineMs);
  });
  try {
    return await Promise.race([work.then(() => true), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
