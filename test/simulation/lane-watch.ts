import type { AssignedPartition } from '../../src/domain/consumer-contract.ts';
import type { Lane } from '../../src/domain/lane.ts';
import type { Lanes } from '../../src/domain/lanes.ts';
import { outcomeOf } from '../../src/domain/outcome.ts';
import type { ConsumedRecord } from '../../src/domain/record.ts';
import type { SendResult, WebhookRequest } from '../../src/domain/send-result.ts';
import type { Job } from '../../src/processes/delivery/job.ts';
import { rankOf } from './ledger.ts';
import type { WebhookView } from './model/directory.ts';
import { placeOf } from './model/log.ts';
import type { SimulatedProcess } from './process.ts';
import type { Scenario } from './scenario.ts';

/** What a careful observer knows of one webhook in one process. */
interface Seen {
  readonly starts: Map<Job, number>;
  slots: number;
  /** Failures in a row. */
  failures: number;
  /** Those that the process cannot have forgotten, although it forgets idle webhooks. */
  recentFailures: number;
  lastUsedMs: number;
  /** Until then nothing may start. */
  blockedUntilMs: number;
  /** Until then it may be that nothing may start. */
  maybeBlockedUntilMs: number;
  /** The version that answered 410. */
  goneVersion: number;
}

const SLOW_MS = 1_000;
const TICK_MS = 100;
const FORGET_AFTER_MS = 300_000;
/** An attempt that nothing stands against starts within this time. */
const PROMPT_MS = 300;

/** Holds every attempt of one process against the rules for slots, budgets, breaker, pauses and control. */
export class LaneWatch {
  readonly #process: SimulatedProcess;
  readonly #view: WebhookView;
  readonly #limits: Scenario['limits'];
  readonly #seen = new Map<string, Seen>();
  readonly #running = new Set<Job>();
  readonly #expected = new Map<string, Set<number>>();
  #lanes: Lanes<Job> | null = null;
  #wasFrozenUntilMs = 0;

  constructor(process: SimulatedProcess, view: WebhookView, limits: Scenario['limits']) {
    this.#process = process;
    this.#view = view;
    this.#limits = limits;
  }

  follow(lanes: Lanes<Job>): void {
    this.#lanes = lanes;
  }

  get #nowMs(): number {
    return this.#process.nowMs;
  }

  get #isFree(): boolean {
    return this.#running.size === 0 && this.#process.world.ledger.uncoveredAttempts(this.#process) === 0;
  }

  /** A job begins; nothing of it has happened yet. */
  begin(job: Job): void {
    const { ledger } = this.#process.world;
    this.#expected.get(placeOf(job.partition))?.delete(job.offset);
    // This job has its slot already.
    const others = (this.#lanes?.young ?? 0) + (this.#lanes?.slow ?? 0) - 1;
    const unfinished = ledger.uncoveredAttempts(this.#process) - others;
    if (unfinished >= this.#limits.maxUncommitted) {
      this.#violate(`begins an attempt with ${unfinished} ended ones uncommitted`);
    }
    this.#running.add(job);
    if (job.delivery.not_before_ms > this.#nowMs) this.#violate('begins an attempt before the time that was asked for');
    const lane = this.#laneOf(job.delivery.webhook_id);
    if (lane !== undefined && lane.young + lane.slow > lane.slots) this.#violate('has more requests than slots');
    this.#checkStart(job);
    this.#seenOf(job.delivery.webhook_id).starts.set(job, this.#nowMs);
  }

  end(job: Job): void {
    this.#running.delete(job);
    this.#seenOf(job.delivery.webhook_id).starts.delete(job);
  }

  async send(request: WebhookRequest): Promise<SendResult> {
    const webhookId = new URL(request.url).pathname.slice(1);
    const seen = this.#seenOf(webhookId);
    const webhook = this.#view.get(webhookId);
    if (webhook?.isActive === false) this.#violate(`sends to ${webhookId}, which is switched off`);
    if (webhook !== undefined && webhook.version === seen.goneVersion)
      this.#violate(`sends to ${webhookId} after a 410`);
    if (webhook !== undefined && webhook.url !== request.url) this.#violate(`sends to an old URL of ${webhookId}`);
    if (this.#nowMs - seen.lastUsedMs > FORGET_AFTER_MS) seen.recentFailures = 0;
    const result = await this.#process.world.receivers.send(this.#process, request);
    seen.lastUsedMs = this.#nowMs;
    this.#learn(seen, { webhookId, result, version: Number(webhook?.version ?? -1) });
    return result;
  }

  /** A changed webhook starts afresh. */
  reset(ids: readonly string[]): void {
    for (const id of ids) {
      const seen = this.#seenOf(id);
      seen.failures = 0;
      seen.recentFailures = 0;
      seen.blockedUntilMs = 0;
      seen.maybeBlockedUntilMs = 0;
    }
  }

  lost(partition: AssignedPartition): void {
    this.#expected.delete(placeOf(partition));
  }

  /** A record that comes alone to an idle process has to be tried at once. */
  expect(partition: AssignedPartition, records: readonly ConsumedRecord[], uncommitted: number): void {
    const [record] = records;
    const { world } = this.#process;
    const delivery = record === undefined ? null : world.deliveries.read(record.value);
    if (record === undefined || delivery === null || records.length > 1 || this.#process.isStopping) return;
    const seen = this.#seenOf(delivery.webhook_id);
    const isIdle = this.#isFree && this.#lanes?.queued === 0 && uncommitted === 0;
    const isBlocked = seen.maybeBlockedUntilMs > this.#nowMs || delivery.not_before_ms > this.#nowMs;
    if (!isIdle || isBlocked || world.disturbedAtMs > this.#nowMs - SLOW_MS) return;
    const place = placeOf(partition);
    const expected = this.#expected.get(place) ?? new Set<number>();
    this.#expected.set(place, expected.add(record.offset));
    world.time.schedule(PROMPT_MS, () => this.#checkPrompt(place, record.offset), this.#process);
  }

  leftovers(): string[] {
    return this.#running.size === 0 ? [] : [`${this.#running.size} attempts running`];
  }

  #checkPrompt(place: string, offset: number): void {
    const { world } = this.#process;
    // Others may have come meanwhile and have the slots, or wait for their commit.
    if (this.#process.isStopping || !this.#isFree || this.#expected.get(place)?.has(offset) !== true) return;
    if (world.disturbedAtMs > this.#nowMs - SLOW_MS) return;
    const [topic = '', partition = ''] = place.split('/');
    const delivery = world.deliveries.read(world.log.entries(topic, Number(partition))[offset]?.value ?? null);
    if (delivery === null) return;
    const isRepeat = world.ledger.account(delivery.delivery_id).doneRank >= rankOf(delivery.attempt, delivery.rewrites);
    if (!isRepeat) this.#violate(`was idle and has not tried ${place}/${offset} after ${PROMPT_MS} ms`);
  }

  #checkStart({ delivery }: Job): void {
    const seen = this.#seenOf(delivery.webhook_id);
    const { requestsPerWebhook, youngRequests, slowRequests } = this.#limits;
    const name = delivery.webhook_id;
    if (seen.starts.size + 1 > Math.min(requestsPerWebhook, seen.slots)) {
      this.#violate(`has ${seen.starts.size + 1} requests to ${name}, which has ${seen.slots} slots`);
    }
    if (seen.blockedUntilMs > this.#nowMs) {
      this.#violate(`starts a request to ${name} ${seen.blockedUntilMs - this.#nowMs} ms before its pause is over`);
    }
    if (this.#count(({ ageMs }) => ageMs < SLOW_MS) + 1 > youngRequests) this.#violate('has too many young requests');
    this.#wasFrozenUntilMs = Math.max(this.#wasFrozenUntilMs, this.#process.frozenUntilMs);
    if (this.#wasFrozenUntilMs > this.#nowMs - 2 * TICK_MS) return;
    const isSlow = ({ ageMs }: { ageMs: number }) => ageMs > SLOW_MS + TICK_MS;
    const hasSlow = [...seen.starts.values()].some((atMs) => isSlow({ ageMs: this.#nowMs - atMs }));
    if (hasSlow && this.#count(isSlow) >= slowRequests) {
      this.#violate(`starts a request to ${name}, which is slow, although the slow budget is used up`);
    }
  }

  #learn(seen: Seen, { webhookId, result, version }: { webhookId: string; result: SendResult; version: number }): void {
    const outcome = outcomeOf(result, this.#nowMs);
    switch (outcome.kind) {
      case 'succeeded':
        seen.slots = Math.min(seen.slots + 1, this.#limits.requestsPerWebhook);
        seen.failures = 0;
        seen.recentFailures = 0;
        break;
      case 'failed':
        seen.slots = 1;
        seen.failures += 1;
        seen.recentFailures += 1;
        if (seen.recentFailures >= 10) this.#block(seen, breakerPauseMs(seen.recentFailures));
        if (seen.failures >= 10) seen.maybeBlockedUntilMs = this.#nowMs + breakerPauseMs(seen.failures);
        break;
      case 'throttled':
        seen.slots = 1;
        this.#block(seen, Math.min(outcome.retryAfterMs ?? 1_000, 300_000));
        break;
      case 'gone':
        seen.goneVersion = version;
    }
    const { failures } = seen;
    const check = () => {
      const lane = this.#laneOf(webhookId);
      const isEarly = lane?.breaker.state === 'open' && failures < 10 && seen.failures < 10;
      if (isEarly) this.#violate(`opened the breaker of ${webhookId} after ${failures} failures`);
    };
    this.#process.world.time.schedule(0, check, this.#process);
  }

  #block(seen: Seen, pauseMs: number): void {
    seen.blockedUntilMs = Math.max(seen.blockedUntilMs, this.#nowMs + pauseMs);
    seen.maybeBlockedUntilMs = Math.max(seen.maybeBlockedUntilMs, seen.blockedUntilMs);
  }

  #count(wanted: (request: { ageMs: number }) => boolean): number {
    let count = 0;
    for (const { starts } of this.#seen.values()) {
      for (const atMs of starts.values()) if (wanted({ ageMs: this.#nowMs - atMs })) count += 1;
    }
    return count;
  }

  #laneOf(webhookId: string): Lane<Job> | undefined {
    for (const lane of this.#lanes?.all() ?? []) if (lane.webhookId === webhookId) return lane;
    return undefined;
  }

  #seenOf(id: string): Seen {
    const known = this.#seen.get(id);
    if (known !== undefined) return known;
    const seen: Seen = {
      starts: new Map(),
      slots: 1,
      failures: 0,
      recentFailures: 0,
      lastUsedMs: this.#nowMs,
      blockedUntilMs: 0,
      maybeBlockedUntilMs: 0,
      goneVersion: -1,
    };
    this.#seen.set(id, seen);
    return seen;
  }

  #violate(what: string): void {
    this.#process.world.violate(`${this.#process.name} ${what}`);
  }
}

function breakerPauseMs(failures: number): number {
  return Math.min(5_000 * 2 ** (failures - 10), 300_000);
}
