import type { AttemptRecord } from '../../domain/attempt-record.ts';
import type { Decision } from '../../domain/decision.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import type { AttemptOutcome } from '../../domain/outcome.ts';
import type { SendResult, WebhookRequest } from '../../domain/send-result.ts';
import type { CachedWebhook } from '../../domain/webhook.ts';
import type { Job } from './job.ts';

/** A finished HTTP attempt and what it means. */
export interface FinishedAttempt {
  readonly job: Job;
  readonly webhook: CachedWebhook;
  readonly request: WebhookRequest;
  readonly result: SendResult;
  readonly outcome: AttemptOutcome;
  readonly decision: Decision;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** Why a delivery ended without an attempt, in words. */
export const END_SENTENCES: Readonly<Record<string, string>> = {
  webhook_deleted: 'The webhook was deleted before the delivery could be made',
  webhook_disabled: 'The webhook was disabled before the delivery could be made',
  webhook_gone: 'The receiver answered 410 Gone, so the webhook was disabled',
};

const LAST_WORD = { accepted: 'succeeded', retry: 'retrying', dead: 'dead' } as const;

/** The log entry of a finished attempt. */
export function attemptEntry(attempt: FinishedAttempt, id: string, nextAttemptAtMs: number | null): AttemptRecord {
  const { job, result, outcome, request, webhook } = attempt;
  const { timings } = result;
  return {
    ...identityOf(job.delivery, id),
    kind: 'attempted',
    outcome: LAST_WORD[attempt.decision.kind],
    failure_code: outcome.kind === 'succeeded' ? null : outcome.code,
    failure_message: outcome.kind === 'succeeded' ? null : outcome.message,
    status_code: outcome.status,
    started_at_ms: attempt.startedAtMs,
    duration_us: timings.totalUs,
    dns_us: timings.dnsUs,
    connect_us: timings.connectUs,
    tls_us: timings.tlsUs,
    first_byte_us: timings.firstByteUs,
    request_url: request.url,
    request_headers: JSON.stringify(request.headers),
    response_headers: result.kind === 'responded' ? JSON.stringify(result.headers) : null,
    response_body: result.kind === 'responded' && result.body.length > 0 ? result.body : null,
    next_attempt_at_ms: nextAttemptAtMs === null ? null : Math.round(nextAttemptAtMs),
    webhook_version: webhook.version,
    webhook_state: outcome.kind === 'gone' ? 'gone' : null,
    delivery: null,
  };
}

/** The log entry of a delivery that was set aside or ended without an attempt. */
export function noteEntry(
  { delivery }: Job,
  note: {
    id: string;
    kind: AttemptRecord['kind'];
    outcome: AttemptRecord['outcome'];
    code: string | null;
    nowMs: number;
  },
): AttemptRecord {
  return {
    ...identityOf(delivery, note.id),
    kind: note.kind,
    outcome: note.outcome,
    failure_code: note.code,
    failure_message: note.code === null ? null : (END_SENTENCES[note.code] ?? null),
    status_code: null,
    started_at_ms: note.nowMs,
    duration_us: 0,
    dns_us: null,
    connect_us: null,
    tls_us: null,
    first_byte_us: null,
    request_url: null,
    request_headers: null,
    response_headers: null,
    response_body: null,
    next_attempt_at_ms: null,
    webhook_version: 0,
    webhook_state: null,
    delivery: null,
  };
}

function identityOf(delivery: DeliveryRecord, id: string) {
  return {
    attempt_id: id,
    delivery_id: delivery.delivery_id,
    webhook_id: delivery.webhook_id,
    tenant_id: delivery.tenant_id,
    event_id: delivery.event_id,
    event_type: delivery.event_type,
    subject: delivery.subject,
    replay_id: delivery.replay_id,
    delivery_created_at_ms: delivery.created_at_ms,
    attempt: delivery.attempt,
  };
}
