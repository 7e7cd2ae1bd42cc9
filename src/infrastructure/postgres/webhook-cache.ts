import type { CachedWebhook, WebhookDirectory } from '../../domain/webhook.ts';
import type { Service } from '../lifecycle.ts';
import type { Database } from './database.ts';
import { RowCache, type RowCacheOptions } from './row-cache.ts';
import { readWebhooks, readWebhookVersions } from './webhook-snapshot.ts';

/** All webhooks in memory, fresh within 2 s of a change; works from memory while PostgreSQL is down. */
export class WebhookCache implements Service, WebhookDirectory {
  readonly name = 'webhook cache';
  readonly #database: Database;
  readonly #cache: RowCache<CachedWebhook>;

  constructor(database: Database, options: RowCacheOptions) {
    this.#database = database;
    this.#cache = new RowCache<CachedWebhook>(
      {
        kind: 'webhook',
        idOf: (webhook) => webhook.id,
        versionOf: (webhook) => webhook.version,
        readVersions: () => readWebhookVersions(database),
        readRows: (ids) => readWebhooks(database, ids),
      },
      options,
    );
  }

  start(): Promise<void> {
    return this.#cache.start();
  }

  stop(): Promise<void> {
    return this.#cache.stop();
  }

  /** Null when the webhooks are current; else what the cache waits for. */
  waitsFor(): string | null {
    return this.#cache.waitsFor();
  }

  /** Since the webhooks were last compared with PostgreSQL, milliseconds. */
  get ageMs(): number {
    return this.#cache.ageMs;
  }

  /** True once all webhooks were read for the first time. */
  get isLoaded(): boolean {
    return this.#cache.isLoaded;
  }

  get(id: string): CachedWebhook | undefined {
    return this.#cache.rows.get(id);
  }

  all(): Iterable<CachedWebhook> {
    return this.#cache.rows.values();
  }

  async lookUp(id: string): Promise<CachedWebhook | null> {
    const [webhook] = await readWebhooks(this.#database, [id]);
    if (webhook?.version !== this.get(id)?.version) this.#cache.noteChange(id);
    return webhook ?? null;
  }

  onChange(listener: (ids: readonly string[]) => void): void {
    this.#cache.onChange(listener);
  }
}
