import type { AttemptRecord } from '../../domain/attempt-record.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import type { AttemptOutcome } from '../../domain/outcome.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import { partitionDelayMs, type RetrySchedule } from '../../domain/retry-schedule.ts';
import { attemptEntry, END_SENTENCES, type FinishedAttempt, noteEntry } from './attempt-entries.ts';
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
