import { type Catalogue, createCatalogue } from '../../domain/catalogue.ts';
import type { EventType } from '../../domain/event-type.ts';
import type { Service } from '../lifecycle.ts';
import type { Database } from './database.ts';
import { readEventTypes, readEventTypeVersions, type VersionedEventType } from './event-type-store.ts';
import { RowCache, type RowCacheOptions } from './row-cache.ts';

/** The catalogue in memory, fresh within 2 s of a change; works from memory while PostgreSQL is down. */
export class EventTypeCache implements Service, Catalogue {
  readonly name = 'event type cache';
  readonly #cache: RowCache<VersionedEventType>;
  readonly #catalogue = createCatalogue();

  constructor(database: Database, options: RowCacheOptions) {
    this.#cache = new RowCache<VersionedEventType>(
      {
        kind: 'event_type',
        idOf: (eventType) => eventType.type,
        versionOf: (eventType) => eventType.version,
        readVersions: () => readEventTypeVersions(database),
        readRows: (types) => readEventTypes(database, types),
      },
      options,
    );
    this.#cache.onChange(() => this.#catalogue.replace([...this.#cache.rows.values()]));
  }

  start(): Promise<void> {
    return this.#cache.start();
  }

  stop(): Promise<void> {
    return this.#cache.stop();
  }

  /** Null when the catalogue is current; else what the cache waits for. */
  waitsFor(): string | null {
    return this.#cache.waitsFor();
  }

  /** Since the catalogue was last compared with PostgreSQL, milliseconds. */
  get ageMs(): number {
    return this.#cache.ageMs;
  }

  /** True once the catalogue was read for the first time. */
  get isLoaded(): boolean {
    return this.#cache.isLoaded;
  }

  /** Reads what has changed now; while PostgreSQL is down the catalogue stays as it is. */
  refresh(): Promise<void> {
    return this.#cache.refresh();
  }

  byType(type: string): EventType | undefined {
    return this.#catalogue.byType(type);
  }

  byRecordName(recordName: string): EventType | undefined {
    return this.#catalogue.byRecordName(recordName);
  }

  all(): readonly EventType[] {
    return this.#catalogue.all();
  }

  get version(): number {
    return this.#catalogue.version;
  }

  onChange(listener: (types: readonly string[]) => void): void {
    this.#cache.onChange(listener);
  }
}
