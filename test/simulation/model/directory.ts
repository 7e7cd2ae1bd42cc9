import { AppError } from '../../../src/domain/errors.ts';
import type { CachedWebhook, WebhookDirectory } from '../../../src/domain/webhook.ts';
import type { ScenarioWebhook, WebhookChange } from '../scenario.ts';
import { type Client, type Cluster, request } from './cluster.ts';

const STAMP = '2026-01-01T00:00:00.000000+00:00';

/** The table of webhooks, and how processes hear of its changes. */
export class WebhookTable {
  readonly #rows = new Map<string, CachedWebhook>();
  readonly #views = new Set<WebhookView>();
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    for (const webhook of cluster.scenario.webhooks) this.#rows.set(webhook.id, rowOf(webhook));
  }

  row(id: string): CachedWebhook | null {
    return this.#rows.get(id) ?? null;
  }

  rows(): ReadonlyMap<string, CachedWebhook> {
    return this.#rows;
  }

  change(id: string, change: WebhookChange): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    if (change === 'delete') this.#rows.delete(id);
    else this.#rows.set(id, { ...row, ...changed(row, change), version: row.version + 1 });
    this.#announce(id);
  }

  /** What the recorder does when a delivery process reports a 410. */
  markGone(id: string, version: number): void {
    const row = this.#rows.get(id);
    if (row === undefined || row.version !== version) return;
    this.#rows.set(id, { ...row, isActive: false, disabledReason: 'gone', version: version + 1 });
    this.#announce(id);
  }

  /** What one process has in memory from now on. */
  open(client: Client): WebhookView {
    const view = new WebhookView(this.#cluster, this, client);
    this.#views.add(view);
    return view;
  }

  #announce(id: string): void {
    for (const view of this.#views) {
      if (view.client.isAlive) view.hear(id);
      else this.#views.delete(view);
    }
  }
}

/** The webhooks in the memory of one process: right within two seconds, later while the database is away. */
export class WebhookView implements WebhookDirectory {
  readonly client: Client;
  readonly #cluster: Cluster;
  readonly #table: WebhookTable;
  readonly #known: Map<string, CachedWebhook>;
  readonly #listeners: ((ids: readonly string[]) => void)[] = [];

  constructor(cluster: Cluster, table: WebhookTable, client: Client) {
    this.#cluster = cluster;
    this.#table = table;
    this.client = client;
    this.#known = new Map(table.rows());
    // A webhook that was made a moment ago may be missing in the snapshot.
    for (const id of table.rows().keys()) {
      if (!client.random.chance(0.05)) continue;
      this.#known.delete(id);
      this.hear(id);
    }
  }

  get(id: string): CachedWebhook | undefined {
    return this.#known.get(id);
  }

  all(): Iterable<CachedWebhook> {
    return this.#known.values();
  }

  lookUp(id: string): Promise<CachedWebhook | null> {
    return request(this.#cluster, this.client, () => {
      if (this.#cluster.fault('database') === null) return this.#table.row(id);
      this.#cluster.disturb();
      throw new AppError('unavailable', 'The database is away');
    });
  }

  onChange(listener: (ids: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  hear(id: string): void {
    this.#cluster.time.schedule(this.client.random.between(5, 2_000), () => this.#read(id), this.client);
  }

  #read(id: string): void {
    if (this.#cluster.fault('database') !== null) return this.hear(id);
    const row = this.#table.row(id);
    if (row === null) this.#known.delete(id);
    else this.#known.set(id, row);
    for (const listener of this.#listeners) listener([id]);
  }
}

function changed(row: CachedWebhook, change: Exclude<WebhookChange, 'delete'>): Partial<CachedWebhook> {
  switch (change) {
    case 'disable':
      return { isActive: false, disabledReason: null };
    case 'enable':
      return { isActive: true, disabledReason: null };
    case 'touch':
      return { url: `https://receiver.example/${row.id}?version=${row.version + 1}` };
  }
}

function rowOf({ id, tenantId, eventType }: ScenarioWebhook): CachedWebhook {
  return {
    id,
    tenantId,
    eventType,
    url: `https://receiver.example/${id}`,
    description: '',
    filters: {},
    isActive: true,
    disabledReason: null,
    version: 1,
    createdAt: STAMP,
    updatedAt: STAMP,
    encryptedSecrets: [],
  };
}
