import type { EventType } from './event-type.ts';

/** The event types that are known right now, in memory. */
export interface Catalogue {
  byType(type: string): EventType | undefined;
  /** By full Avro record name, e.g. `posthorn.events.screening.Completed`. */
  byRecordName(recordName: string): EventType | undefined;
  /** All of them, ordered by type. */
  all(): readonly EventType[];
  /** Grows with every replacement of the contents. */
  readonly version: number;
}

/** A catalogue whose contents can be replaced as a whole, by whoever follows the table or the files. */
export interface ReplaceableCatalogue extends Catalogue {
  replace(eventTypes: readonly EventType[]): void;
}

/** Creates a catalogue in memory. Types that did not change keep their identity if the caller passes the same objects. */
export function createCatalogue(eventTypes: readonly EventType[] = []): ReplaceableCatalogue {
  let contents = indexed(eventTypes);
  let version = 1;
  return {
    byType: (type) => contents.byType.get(type),
    byRecordName: (recordName) => contents.byRecordName.get(recordName),
    all: () => contents.all,
    get version() {
      return version;
    },
    replace(newTypes) {
      contents = indexed(newTypes);
      version += 1;
    },
  };
}

function indexed(eventTypes: readonly EventType[]) {
  const all = eventTypes.toSorted((left, right) => (left.type < right.type ? -1 : Number(left.type > right.type)));
  return {
    all,
    byType: new Map(all.map((eventType) => [eventType.type, eventType])),
    byRecordName: new Map(all.map((eventType) => [eventType.recordName, eventType])),
  };
}
