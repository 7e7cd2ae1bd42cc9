import type { Service } from '../lifecycle.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { ChangeFeed, ChangeKind } from './change-feed.ts';

/** Where the rows come from, and how they are told apart. */
export interface RowSource<Row> {
  readonly kind: ChangeKind;
  idOf(row: Row): string;
  versionOf(row: Row): number;
  readVersions(): Promise<ReadonlyMap<string, number>>;
  readRows(ids: readonly string[]): Promise<readonly Row[]>;
}

export interface RowCacheOptions {
  readonly feed: ChangeFeed;
  readonly log: Logger;
  /** Between two comparisons of all versions, for changes that the feed did not carry. */
  readonly pollIntervalMs?: number;
}

const POLL_INTERVAL_MS = 5_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5_000;
/** Ids per statement. */
const BATCH = 1_000;

/**
 * All rows of one kind in memory. A change is heard on the feed and read at once; every few seconds, and whenever the
 * feed reconnects, all (id, version) pairs are compared, so that nothing heard wrongly or not at all stays. Refreshes run
 * one at a time, so an older reading never overwrites a newer one. While PostgreSQL is down the rows stay as they are.
 */
export class RowCache<Row> implements Service {
  readonly name: string;
  readonly rows = new Map<string, Row>();
  readonly #source: RowSource<Row>;
  readonly #options: RowCacheOptions;
  readonly #listeners: ((ids: readonly string[]) => void)[] = [];
  readonly #heard = new Set<string>();
  #compareAll = true;
  #refreshing: Promise<void> | null = null;
  #loaded: PromiseWithResolvers<void> | null = null;
  #isLoaded = false;
  #comparedMs = Number.NEGATIVE_INFINITY;
  #running = false;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;

  constructor(source: RowSource<Row>, options: RowCacheOptions) {
    this.name = `${source.kind} cache`;
    this.#source = source;
    this.#options = options;
    options.feed.listen(source.kind, { changed: (id) => this.noteChange(id), connected: () => this.#compare() });
  }

  /** Resolves when all rows are in memory, however long PostgreSQL takes; rejects when stopped before. */
  async start(): Promise<void> {
    this.#loaded ??= Promise.withResolvers();
    if (!this.#running) {
      this.#running = true;
      this.#compare();
    }
    await this.#loaded.promise;
  }

  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    await this.#refreshing;
    if (this.#isLoaded) return;
    this.#loaded?.promise.catch(() => undefined);
    this.#loaded?.reject(new Error(`the ${this.name} was stopped before it had read its rows`));
    this.#loaded = null;
  }

  /** Null when the rows are current; else what it waits for, for readiness reports. */
  waitsFor(): string | null {
    return this.#isLoaded && this.#failures === 0 ? null : 'PostgreSQL';
  }

  /** Since all rows were last compared with PostgreSQL, milliseconds; infinite before the first time. */
  get ageMs(): number {
    return performance.now() - this.#comparedMs;
  }

  /** True once all rows were read for the first time: from then on they can be used, whatever PostgreSQL does. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  onChange(listener: (ids: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads one row again soon. */
  noteChange(id: string): void {
    this.#heard.add(id);
    this.#refresh();
  }

  /** Compares all versions now and resolves when that is done; while PostgreSQL is down the rows stay as they are. */
  async refresh(): Promise<void> {
    this.#compare();
    await this.#refreshing;
  }

  #compare(): void {
    this.#compareAll = true;
    this.#refresh();
  }

  #refresh(): void {
    if (!this.#running || this.#refreshing !== null) return;
    clearTimeout(this.#timer);
    this.#refreshing = this.#refreshUntilCurrent().finally(() => {
      this.#refreshing = null;
      this.#scheduleNext();
      // Something may have been heard after the last look and before this moment.
      if (this.#failures === 0 && (this.#heard.size > 0 || this.#compareAll)) this.#refresh();
    });
  }

  #scheduleNext(): void {
    if (!this.#running) return;
    const pollMs = this.#options.pollIntervalMs ?? POLL_INTERVAL_MS;
    const retryMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#compare(), this.#failures === 0 ? pollMs : retryMs);
  }

  async #refreshUntilCurrent(): Promise<void> {
    try {
      while (this.#running && (this.#compareAll || this.#heard.size > 0)) await this.#refreshOnce();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#options.log.warn({ err: error, cache: this.name, waitsFor: 'PostgreSQL' }, 'postgres.cache_waits');
    }
  }

  async #refreshOnce(): Promise<void> {
    const ids = new Set(this.#heard);
    const compareAll = this.#compareAll;
    this.#heard.clear();
    this.#compareAll = false;
    try {
      if (compareAll) for (const id of await this.#differing()) ids.add(id);
      await this.#reread([...ids]);
    } catch (error) {
      this.#compareAll = true;
      throw error;
    }
    if (compareAll) this.#markLoaded();
  }

  async #differing(): Promise<readonly string[]> {
    const versions = await this.#source.readVersions();
    const gone = [...this.rows.keys()].filter((id) => !versions.has(id));
    const stale = [...versions].filter(([id, version]) => this.#versionInMemory(id) !== version).map(([id]) => id);
    return [...gone, ...stale];
  }

  #versionInMemory(id: string): number | null {
    const row = this.rows.get(id);
    return row === undefined ? null : this.#source.versionOf(row);
  }

  async #reread(ids: readonly string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += BATCH) {
      const batch = ids.slice(start, start + BATCH);
      const found = await this.#source.readRows(batch);
      this.#apply(batch, found);
    }
  }

  #apply(asked: readonly string[], found: readonly Row[]): void {
    const byId = new Map(found.map((row) => [this.#source.idOf(row), row]));
    const changed = asked.filter((id) => {
      const row = byId.get(id);
      if (row === undefined) return this.rows.delete(id);
      const isNew = this.#versionInMemory(id) !== this.#source.versionOf(row);
      if (isNew) this.rows.set(id, row);
      return isNew;
    });
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
  }

  #markLoaded(): void {
    this.#comparedMs = performance.now();
    this.#isLoaded = true;
    this.#loaded?.resolve();
  }
}
