import type { AttemptRecord } from '../../domain/attempt-record.ts';
import type { Decision } from '../../domain/decision.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import type { AttemptOutcome } from '../../domain/outcome.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import { partitionDelayMs, type RetrySchedule } from '../../domain/retry-schedule.ts';
import type { SendResult, WebhookRequest } from '../../domain/send-result.ts';
import type { CachedWebhook } from '../../domain/webhook.ts';
import type { Job } from './job.ts';

/** Topic names that the delivery process writes to. */
export interface OutcomeTopics {
  readonly attempts: string;
  readonly overflow: string;
  readonly deadDeliveries: string;
  retry(tier: string): string;
}

export interface OutcomeRecordsOptions {
  readonly topics: OutcomeTopics;
  readonly schedule: RetrySchedule;
  /** Partitions of every retry topic. */
  readonly retryPartitions: (tier: string) => number;
  readonly encodeDelivery: (delivery: DeliveryRecord) => Buffer;
  readonly encodeAttempt: (attempt: AttemptRecord) => Buffer;
  readonly newId: () => string;
  readonly random: () => number;
}

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

/** Builds the records that tell what became of a delivery; the input record is resolved once the broker has them. */
export class OutcomeRecords {
  readonly #options: OutcomeRecordsOptions;

  constructor(options: OutcomeRecordsOptions) {
    this.#options = options;
  }

  /** After an attempt: the copy for the retry tier or the dead letters, and the log entry. */
  ofAttempt(attempt: FinishedAttempt): { readonly records: readonly OutgoingRecord[]; readonly entry: OutgoingRecord } {
    const { copies, dueMs } = this.#continuationOf(attempt);
    const entry = this.#log(attemptEntry(attempt, this.#options.newId(), dueMs));
    return { records: [...copies, entry], entry };
  }

  #continuationOf(attempt: FinishedAttempt): { copies: OutgoingRecord[]; dueMs: number | null } {
    const { decision, job, endedAtMs, outcome } = attempt;
    switch (decision.kind) {
      case 'accepted':
        return { copies: [], dueMs: null };
      case 'retry': {
        const copy = this.#onTier(decision, retryOf(job.delivery, decision.notBeforeMs));
        return { copies: [copy.record], dueMs: Math.max(endedAtMs + copy.waitMs, decision.notBeforeMs) };
      }
      case 'dead': {
        const why = { reason: decision.reason, error: messageOf(outcome), status: outcome.status };
        return { copies: [this.#dead(job, why, endedAtMs)], dueMs: null };
      }
    }
  }

  /** A delivery that ends without an attempt. */
  ofEnd(job: Job, reason: string, nowMs: number): OutgoingRecord[] {
    const entry = noteEntry(job, { id: this.#options.newId(), kind: 'ended', outcome: 'dead', code: reason, nowMs });
    return [this.#dead(job, { reason, error: END_SENTENCES[reason] ?? reason, status: null }, nowMs), this.#log(entry)];
  }

  /** A delivery that makes room without an attempt: to overflow, or to a tier. */
  ofSettingAside(job: Job, target: SettingAside, nowMs: number): OutgoingRecord[] {
    const delivery = rewritten(job.delivery, target.waitingSinceMs);
    const copy =
      target.kind === 'overflow'
        ? { record: this.#delivery(this.#options.topics.overflow, delivery), waitMs: 0 }
        : this.#onTier(target, delivery);
    const note = this.#setAsideNote(job, 'waiting', nowMs);
    return [copy.record, this.#log({ ...note, next_attempt_at_ms: nowMs + copy.waitMs })];
  }

  /**
   * A delivery that waits in the log until its webhook accepts something again. Nothing goes to another topic: the note
   * carries the delivery with its body, so whoever has the note has all of it.
   */
  ofParking(job: Job, nowMs: number): OutgoingRecord[] {
    const delivery = this.#options.encodeDelivery(rewritten(job.delivery, 0));
    return [this.#log({ ...this.#setAsideNote(job, 'parked', nowMs), delivery })];
  }

  #setAsideNote(job: Job, outcome: 'waiting' | 'parked', nowMs: number): AttemptRecord {
    return noteEntry(job, { id: this.#options.newId(), kind: 'set_aside', outcome, code: null, nowMs });
  }

  #onTier(
    { tier, partition }: { tier: { name: string; delayMs: number }; partition: number | null },
    delivery: DeliveryRecord,
  ): { record: OutgoingRecord; waitMs: number } {
    const partitions = this.#options.retryPartitions(tier.name);
    // Chance chooses the partition and the partition the wait: that is the jitter.
    const chosen = partition ?? Math.floor(this.#options.random() * partitions);
    const record = { ...this.#delivery(this.#options.topics.retry(tier.name), delivery), partition: chosen };
    return { record, waitMs: partitionDelayMs(tier.delayMs, this.#options.schedule.jitter, chosen, partitions) };
  }

  #delivery(topic: string, delivery: DeliveryRecord): OutgoingRecord {
    return { topic, key: delivery.webhook_id, value: this.#options.encodeDelivery(delivery) };
  }

  /** Keyed by webhook, so that one recorder sees all of a webhook and its statistics need no lock. */
  #log(entry: AttemptRecord): OutgoingRecord {
    return { topic: this.#options.topics.attempts, key: entry.webhook_id, value: this.#options.encodeAttempt(entry) };
  }

  #dead(job: Job, why: { reason: string; error: string; status: number | null }, nowMs: number): OutgoingRecord {
    const { delivery } = job;
    return {
      ...this.#delivery(this.#options.topics.deadDeliveries, delivery),
      headers: {
        ce_id: delivery.event_id,
        ce_type: delivery.event_type,
        ce_tenantid: delivery.tenant_id,
        'posthorn-webhook': delivery.webhook_id,
        'posthorn-delivery': delivery.delivery_id,
        'posthorn-attempt': String(delivery.attempt),
        'posthorn-reason': why.reason,
        'posthorn-error': why.error,
        'posthorn-source': `${job.partition.topic}/${job.partition.partition}/${job.offset}`,
        'posthorn-failed-at': new Date(nowMs).toISOString(),
        ...(why.status === null ? {} : { 'posthorn-last-status': String(why.status) }),
      },
    };
  }
}

/** Where a delivery goes that cannot start. */
export type SettingAside =
  | { readonly kind: 'overflow'; readonly waitingSinceMs: number }
  | {
      readonly kind: 'tier';
      readonly tier: { readonly name: string; readonly delayMs: number };
      readonly partition: number | null;
      readonly waitingSinceMs: number;
    };

const END_SENTENCES: Readonly<Record<string, string>> = {
  webhook_deleted: 'The webhook was deleted before the delivery could be made',
  webhook_disabled: 'The webhook was disabled before the delivery could be made',
  webhook_gone: 'The receiver answered 410 Gone, so the webhook was disabled',
};

function rewritten(delivery: DeliveryRecord, waitingSinceMs: number): DeliveryRecord {
  return { ...delivery, rewrites: delivery.rewrites + 1, waiting_since_ms: waitingSinceMs };
}

function retryOf(delivery: DeliveryRecord, notBeforeMs: number): DeliveryRecord {
  return {
    ...delivery,
    attempt: delivery.attempt + 1,
    not_before_ms: notBeforeMs,
    waiting_since_ms: 0,
    rewrites: 0,
  };
}

function messageOf(outcome: AttemptOutcome): string {
  return outcome.kind === 'succeeded' ? '' : outcome.message;
}

const LAST_WORD = { accepted: 'succeeded', retry: 'retrying', dead: 'dead' } as const;

function attemptEntry(attempt: FinishedAttempt, id: string, nextAttemptAtMs: number | null): AttemptRecord {
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

function noteEntry(
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
