import { decideNext } from '../../domain/decision.ts';
import type { LaneResult } from '../../domain/lanes.ts';
import { type AttemptOutcome, outcomeOf } from '../../domain/outcome.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import type { RetrySchedule } from '../../domain/retry-schedule.ts';
import { tierAfter } from '../../domain/retry-schedule.ts';
import type { SendWebhook, WebhookRequest } from '../../domain/send-result.ts';
import { placeToWait } from '../../domain/setting-aside.ts';
import { signatureHeader } from '../../domain/signature.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';
import type { FinishedAttempt } from './attempt-entries.ts';
import type { Job } from './job.ts';
import { waitingSinceMs } from './job.ts';
import type { OutcomeRecords, SettingAside } from './outcome-records.ts';
import type { Access, WebhookAccess } from './webhook-access.ts';

export interface AttemptDependencies {
  readonly access: WebhookAccess;
  readonly send: SendWebhook;
  readonly records: OutcomeRecords;
  readonly schedule: RetrySchedule;
  readonly retryPartitions: (tier: string) => number;
  readonly timeoutMs: number;
  readonly userAgent: string;
  readonly log: Logger;
  readonly now: () => number;
  readonly onAttempted: (attempt: FinishedAttempt) => void;
  /** A delivery ended without an attempt. */
  readonly onEnded: (reason: string) => void;
  readonly onSetAside: (reason: 'webhook_unknown', target: SettingAside['kind'], count: number) => void;
}

/** What came of trying a job: what its lane learns and what Kafka must have before the input record is resolved. */
export interface AttemptReport {
  readonly lane: LaneResult;
  readonly records: readonly OutgoingRecord[];
  /** The log entry among them when a request was made: true whoever owns the record by now. */
  readonly entry: OutgoingRecord | null;
}

/** Makes one attempt at a delivery: look up, sign, send, decide. Never rejects. */
export async function attemptDelivery(job: Job, deps: AttemptDependencies): Promise<AttemptReport> {
  let access: Access;
  try {
    const found = deps.access.find(job.delivery.webhook_id);
    access = found instanceof Promise ? await found : found;
  } catch (error) {
    // Secrets that cannot be read are our fault, not the receiver's: nothing is sent and no attempt is used up.
    deps.log.error({ webhookId: job.delivery.webhook_id, error: String(error) }, 'delivery.secret_unreadable');
    access = { kind: 'unknown' };
  }
  switch (access.kind) {
    case 'open':
      return send(job, access, deps);
    case 'closed':
      deps.onEnded(access.reason);
      return { lane: { kind: 'skipped' }, records: deps.records.ofEnd(job, access.reason, deps.now()), entry: null };
    case 'unknown': {
      const target = untilKnown(job, deps);
      deps.onSetAside('webhook_unknown', target.kind, 1);
      return { lane: { kind: 'skipped' }, records: deps.records.ofSettingAside(job, target, deps.now()), entry: null };
    }
  }
}

/** How long to leave a delivery whose webhook cannot be read before the database is asked again. */
const UNKNOWN_PAUSE_MS = 5_000;

function untilKnown(job: Job, { schedule, retryPartitions, now }: AttemptDependencies): SettingAside {
  const since = waitingSinceMs(job);
  const waiting = { rewrites: job.delivery.rewrites, waitedMs: now() - since, pauseMs: UNKNOWN_PAUSE_MS };
  const place = placeToWait(schedule, waiting, retryPartitions(schedule.tiers[0]?.name ?? ''));
  return place === null
    ? { kind: 'overflow', waitingSinceMs: since }
    : { kind: 'tier', ...place, waitingSinceMs: since };
}

async function send(
  job: Job,
  { webhook, keys }: Extract<Access, { kind: 'open' }>,
  deps: AttemptDependencies,
): Promise<AttemptReport> {
  const { delivery } = job;
  const startedAtMs = deps.now();
  const timestampSeconds = Math.floor(startedAtMs / 1000);
  const request: WebhookRequest = {
    url: webhook.url,
    headers: {
      'content-type': 'application/json',
      'user-agent': deps.userAgent,
      'webhook-id': delivery.event_id,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': signatureHeader({ id: delivery.event_id, timestampSeconds, body: delivery.body, keys }),
      'posthorn-delivery': delivery.delivery_id,
      'posthorn-attempt': String(delivery.attempt),
    },
    body: delivery.body,
    timeoutMs: deps.timeoutMs,
  };
  const result = await deps.send(request);
  const endedAtMs = deps.now();
  const outcome = outcomeOf(result, endedAtMs);
  if (outcome.kind === 'gone') deps.access.markGone(webhook);
  const tier = tierAfter(deps.schedule, delivery.attempt)?.name;
  const decision = decideNext(outcome, delivery.attempt, deps.schedule, {
    nowMs: endedAtMs,
    partitions: tier === undefined ? 1 : deps.retryPartitions(tier),
  });
  const report = { job, webhook, request, result, outcome, decision, startedAtMs, endedAtMs };
  logAttempt(deps.log, report);
  deps.onAttempted(report);
  return { lane: laneResultOf(outcome, endedAtMs), ...deps.records.ofAttempt(report) };
}

/** How long a lane rests when a receiver throttles without naming a time. */
const THROTTLE_PAUSE_MS = 1_000;
/** Longest rest of a lane in memory; a longer wait is spent in a tier. */
const LONGEST_REST_MS = 300_000;

function laneResultOf(outcome: AttemptOutcome, nowMs: number): LaneResult {
  switch (outcome.kind) {
    case 'succeeded':
      return { kind: 'succeeded' };
    case 'throttled': {
      const restMs = Math.min(outcome.retryAfterMs ?? THROTTLE_PAUSE_MS, LONGEST_REST_MS);
      return { kind: 'throttled', untilMs: nowMs + restMs };
    }
    case 'failed':
      return { kind: 'failed' };
    case 'gone':
      return { kind: 'skipped' };
  }
}

function logAttempt(log: Logger, attempt: FinishedAttempt): void {
  if (!log.isLevelEnabled('info')) return;
  const { job, outcome, decision, result } = attempt;
  log.info(
    {
      deliveryId: job.delivery.delivery_id,
      webhookId: job.delivery.webhook_id,
      tenantId: job.delivery.tenant_id,
      eventId: job.delivery.event_id,
      eventType: job.delivery.event_type,
      attempt: job.delivery.attempt,
      outcome: outcome.kind,
      status: outcome.status,
      code: outcome.kind === 'succeeded' ? null : outcome.code,
      detail: result.kind === 'failed' ? result.detail : null,
      next: decision.kind,
      durationMs: Math.round(result.timings.totalUs / 1000),
    },
    'delivery.attempted',
  );
}
