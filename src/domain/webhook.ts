/** Why a webhook is off although nobody switched it off by hand. */
export type DisabledReason = 'gone' | 'failing';

/** A webhook that was switched off without its owner: people are told. */
export interface DisabledWebhook {
  readonly webhookId: string;
  readonly tenantId: string;
  readonly reason: DisabledReason;
}

/** A subscription: one tenant, one event type or `all`, one URL. Timestamps are ISO 8601 with microseconds and `+00:00`. */
export interface Webhook {
  readonly id: string;
  readonly tenantId: string;
  readonly eventType: string;
  /** Normalised form of what the customer gave. */
  readonly url: string;
  readonly description: string;
  readonly filters: Readonly<Record<string, unknown>>;
  readonly isActive: boolean;
  readonly disabledReason: DisabledReason | null;
  /** Grows with every change of the row; caches compare it, workers report it. */
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** A webhook as routers and workers hold it in memory: with its encrypted secrets, newest first. */
export interface CachedWebhook extends Webhook {
  readonly encryptedSecrets: readonly string[];
}

/** The webhooks in memory, fresh within 2 s of a change; what routers and workers ask. */
export interface WebhookDirectory {
  /** The webhook, or undefined when it is not known (yet, or any more): ask `lookUp` before concluding that it is gone. */
  get(id: string): CachedWebhook | undefined;
  all(): Iterable<CachedWebhook>;
  /** Reads one webhook from the database; null when it does not exist. Rejects with `unavailable` when it cannot tell. */
  lookUp(id: string): Promise<CachedWebhook | null>;
  /** Called after each change, with the ids that were added, changed or removed. */
  onChange(listener: (ids: readonly string[]) => void): void;
}
