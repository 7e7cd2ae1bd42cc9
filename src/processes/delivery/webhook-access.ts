import type { KeyObject } from 'node:crypto';
import type { CachedWebhook, WebhookDirectory } from '../../domain/webhook.ts';
import type { Logger } from '../../infrastructure/telemetry/logger.ts';

/** May this webhook be sent to now, and with what? */
export type Access =
  | { readonly kind: 'open'; readonly webhook: CachedWebhook; readonly keys: readonly KeyObject[] }
  | { readonly kind: 'closed'; readonly reason: 'webhook_deleted' | 'webhook_disabled' | 'webhook_gone' }
  /** It cannot be told: neither memory nor the database knows. */
  | { readonly kind: 'unknown' };

export interface WebhookAccessDependencies {
  readonly directory: WebhookDirectory;
  readonly keysOf: (webhook: CachedWebhook) => readonly KeyObject[];
  readonly log: Logger;
}

/** Reads URL, state and secrets at send time, so that a change repairs what is already waiting. */
export class WebhookAccess {
  readonly #deps: WebhookAccessDependencies;
  readonly #keys = new Map<string, { version: number; keys: readonly KeyObject[] }>();
  /** Webhooks that answered 410, by the version that did: closed here before the database says so. */
  readonly #gone = new Map<string, number>();

  constructor(deps: WebhookAccessDependencies) {
    this.#deps = deps;
    deps.directory.onChange((ids) => {
      for (const id of ids) this.#forget(id);
    });
  }

  /** Answers at once for webhooks in memory; throws `secret_unreadable` when their secrets cannot be decrypted. */
  find(webhookId: string): Access | Promise<Access> {
    const webhook = this.#deps.directory.get(webhookId);
    return webhook === undefined ? this.#lookUp(webhookId) : this.#judge(webhook);
  }

  /** The webhook in this version wants nothing more. */
  markGone(webhook: CachedWebhook): void {
    this.#gone.set(webhook.id, webhook.version);
  }

  /** A webhook may be so new that the change has not reached this process: only the database can say that there is none. */
  async #lookUp(webhookId: string): Promise<Access> {
    try {
      const webhook = await this.#deps.directory.lookUp(webhookId);
      return webhook === null ? { kind: 'closed', reason: 'webhook_deleted' } : this.#judge(webhook);
    } catch (error) {
      this.#deps.log.warn({ webhookId, error: String(error) }, 'delivery.webhook_unknown');
      return { kind: 'unknown' };
    }
  }

  #judge(webhook: CachedWebhook): Access {
    if (this.#gone.get(webhook.id) === webhook.version) return { kind: 'closed', reason: 'webhook_gone' };
    if (!webhook.isActive) {
      return { kind: 'closed', reason: webhook.disabledReason === 'gone' ? 'webhook_gone' : 'webhook_disabled' };
    }
    return { kind: 'open', webhook, keys: this.#keysOf(webhook) };
  }

  #keysOf(webhook: CachedWebhook): readonly KeyObject[] {
    const known = this.#keys.get(webhook.id);
    if (known?.version === webhook.version) return known.keys;
    const keys = this.#deps.keysOf(webhook);
    this.#keys.set(webhook.id, { version: webhook.version, keys });
    return keys;
  }

  #forget(id: string): void {
    this.#keys.delete(id);
    this.#gone.delete(id);
  }
}
