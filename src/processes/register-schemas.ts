import { eventTopicOf } from '../domain/event-naming.ts';
import type { EventType } from '../domain/event-type.ts';
import type { SchemaRegistry } from '../infrastructure/avro/registry.ts';

export interface RegisterSchemasDependencies {
  readonly registry: Pick<SchemaRegistry, 'register'>;
  /** Creates those of the topics that do not exist and returns their names. */
  readonly createTopics: (topics: readonly string[]) => Promise<readonly string[]>;
  /** Adds the type to the catalogue or replaces it. */
  readonly saveEventType: (eventType: EventType) => Promise<void>;
}

/** What registering did. */
export interface RegisteredSchemas {
  readonly schemaIds: ReadonlyMap<string, number>;
  readonly createdTopics: readonly string[];
}

/**
 * Makes event types usable: schemas in the registry, `events.<domain>` topics, catalogue. In this order, so that nothing
 * can be subscribed to that cannot be published, and a refused schema leaves catalogue and topics as they were.
 */
export async function registerSchemas(
  eventTypes: readonly EventType[],
  { registry, createTopics, saveEventType }: RegisterSchemasDependencies,
): Promise<RegisteredSchemas> {
  const registrations = eventTypes.map(
    async ({ type, recordName, avroSchema }) => [type, await registry.register(recordName, avroSchema)] as const,
  );
  const schemaIds = new Map(await Promise.all(registrations));
  const createdTopics = await createTopics([...new Set(eventTypes.map(({ type }) => eventTopicOf(type)))]);
  for (const eventType of eventTypes) await saveEventType(eventType);
  return { schemaIds, createdTopics };
}
