import { setTimeout as delay } from 'node:timers/promises';
import { type ParkedWebhook, releasable } from '../domain/parking.ts';
import type { PublishRecords } from '../domain/record.ts';
import type { Service } from '../infrastructure/lifecycle.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';

type HowMany = (webhook: ParkedWebhook, nowMs: number) => number;

export interface ReleaserDependencies {
  /** The webhooks of which some parked deliveries may be released. Rejects while PostgreSQL cannot be asked. */
  readonly releasableWebhooks: (howMany: HowMany) => Promise<readonly string[]>;
  /** Sends and marks deliveries of one webhook; returns how many. Rejects when PostgreSQL or Kafka does not take them. */
  readonly releaseParked: (
    webhookId: string,
    how: { howMany: HowMany; send: (records: readonly Buffer[]) => Promise<void> },
  ) => Promise<number>;
  readonly forgetReleased: () => Promise<void>;
  readonly publish: PublishRecords;
  readonly topics: { readonly ready: string };
  readonly log: Logger;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const ROUND_MS = 1_000;
/** After a round that failed. */
const LONG_PAUSE_MS = 5_000;
const FORGET_EVERY_MS = 60_000;

/**
 * Brings back what is parked: all of it when its webhook accepts something again, when its owner changed it, and when it
 * is off (the workers then end it with the right reason); one delivery now and then as a probe while it fails. Any number
 * of processes may do this at once.
 */
export class Releaser implements Service {
  readonly name = 'releaser';
  readonly #deps: ReleaserDependencies;
  readonly #stopped = new AbortController();
  #running: Promise<void> | null = null;
  #forgottenAtMs = 0;

  constructor(deps: ReleaserDependencies) {
    this.#deps = deps;
  }

  async start(): Promise<void> {
    this.#running ??= this.#run();
  }

  /** Resolves when what was being released is in the log of Kafka. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const isDone = await this.#round();
      // Only the stop ends the pause early.
      await delay(isDone ? ROUND_MS : LONG_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** False when PostgreSQL or Kafka was out of reach: nothing is lost, what was parked still is. */
  async #round(): Promise<boolean> {
    const { log, now } = this.#deps;
    try {
      for (const webhookId of await this.#deps.releasableWebhooks(releasable)) {
        if (this.#stopped.signal.aborted) return true;
        await this.#release(webhookId);
      }
      if (now() - this.#forgottenAtMs < FORGET_EVERY_MS) return true;
      await this.#deps.forgetReleased();
      this.#forgottenAtMs = now();
      return true;
    } catch (error) {
      log.warn({ error: String(error) }, 'releaser.waits');
      return false;
    }
  }

  async #release(webhookId: string): Promise<void> {
    // Keyed by webhook, as everything that the workers read.
    const send = (records: readonly Buffer[]) =>
      this.#deps.publish(records.map((value) => ({ topic: this.#deps.topics.ready, key: webhookId, value })));
    const released = await this.#deps.releaseParked(webhookId, { howMany: releasable, send });
    if (released > 0) this.#deps.log.info({ webhookId, released }, 'releaser.released');
  }
}
