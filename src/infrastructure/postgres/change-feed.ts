import pg from 'pg';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../telemetry/logger.ts';

/** What can change; the triggers of the first migration name it. */
export type ChangeKind = 'webhook' | 'event_type';

/** Who wants to hear of changes of one kind. */
export interface ChangeListener {
  /** The row of this id was added, changed or removed. */
  changed(id: string): void;
  /** Listening began, at first or again: whatever changed before was not heard. */
  connected(): void;
}

export interface ChangeFeedOptions {
  readonly url: string;
  readonly log: Logger;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string;
  /** Between two questions whether the connection is still there: a network that drops packets tells nobody. */
  readonly heartbeatMs?: number;
}

const CHANNEL = 'posthorn_changes';
const CONNECT_TIMEOUT_MS = 5_000;
const HEARTBEAT_MS = 10_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;

/**
 * One connection that LISTENs. It only makes caches fast: whoever listens must also poll, because a lost connection
 * may go unnoticed. `start` does not wait for PostgreSQL.
 */
export class ChangeFeed implements Service {
  readonly name = 'change feed';
  readonly #options: ChangeFeedOptions;
  readonly #listeners = new Map<ChangeKind, ChangeListener>();
  #client: pg.Client | null = null;
  #retryTimer: NodeJS.Timeout | undefined;
  #heartbeatTimer: NodeJS.Timeout | undefined;
  #connecting: Promise<void> = Promise.resolve();
  #failures = 0;
  #running = false;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  /** Registers the one listener of a kind. */
  listen(kind: ChangeKind, listener: ChangeListener): void {
    this.#listeners.set(kind, listener);
  }

  async start(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    this.#reconnect();
  }

  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#heartbeatTimer);
    await this.#connecting;
    const client = this.#client;
    this.#client = null;
    await client?.end();
  }

  #reconnect(): void {
    if (this.#running) this.#connecting = this.#connect();
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: this.#options.applicationName ?? 'posthorn change feed',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, null));
    client.on('notification', (notification) => this.#heard(notification.payload ?? ''));
    this.#client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.#failures = 0;
      this.#scheduleHeartbeat(client);
      for (const listener of this.#listeners.values()) listener.connected();
    } catch (error) {
      this.#lost(client, error);
    }
  }

  #scheduleHeartbeat(client: pg.Client): void {
    if (this.#client !== client || !this.#running) return;
    this.#heartbeatTimer = setTimeout(() => {
      client.query('SELECT 1').then(
        () => this.#scheduleHeartbeat(client),
        (error: unknown) => this.#lost(client, error),
      );
    }, this.#options.heartbeatMs ?? HEARTBEAT_MS);
  }

  /** A client reports its end more than once; only the first counts, and none after `stop` or a successor. */
  #lost(client: pg.Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = null;
    clearTimeout(this.#heartbeatTimer);
    // The connection is broken already, so nothing is left to hear from it.
    client.end().catch(() => undefined);
    if (!this.#running) return;
    const retryMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#options.log.warn({ err: error, retryMs }, 'postgres.change_feed_lost');
    this.#retryTimer = setTimeout(() => this.#reconnect(), retryMs);
  }

  #heard(payload: string): void {
    const change = parseChange(payload);
    if (change === null) this.#options.log.warn({ payload }, 'postgres.change_not_understood');
    else this.#listeners.get(change.kind)?.changed(change.id);
  }
}

function parseChange(payload: string): { kind: ChangeKind; id: string } | null {
  try {
    const { kind, id }: { kind?: unknown; id?: unknown } = JSON.parse(payload);
    return (kind === 'webhook' || kind === 'event_type') && typeof id === 'string' ? { kind, id } : null;
  } catch {
    // Anybody may NOTIFY on the channel; what is no JSON is not ours, and the caller says so.
    return null;
  }
}
