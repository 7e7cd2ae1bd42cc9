import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config.ts';
import type { EventType } from '../domain/event-type.ts';
import { loadEventTypes } from '../infrastructure/avro/catalogue-files.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { toTypeScript } from '../infrastructure/avro/typescript.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { createTopics, planInputTopic } from '../infrastructure/kafka/topics.ts';
import { openDatabase } from '../infrastructure/postgres/database.ts';
import { saveEventType } from '../infrastructure/postgres/event-type-store.ts';
import { createLogger } from '../infrastructure/telemetry/logger.ts';
import { type RegisteredSchemas, registerSchemas } from '../processes/register-schemas.ts';
import type { Command } from './command.ts';

const USAGE = `posthorn schemas register DIR
posthorn schemas types DIR [--out FILE]

register   puts every <event type>.avsc of DIR into the schema registry (FULL_TRANSITIVE), creates the topics
           events.<domain> that are missing and adds the types to the catalogue; may be repeated
types      prints TypeScript types of the data of these events, or writes them to FILE
`;

/** `posthorn schemas`: event types beyond those that ship with Posthorn. */
export const schemasCommand: Command = {
  name: 'schemas',
  summary: 'register event types and their schemas',
  usage: USAGE,
  run: async (args) => {
    const { positionals, values } = parseArgs({
      args: [...args],
      options: { out: { type: 'string' } },
      allowPositionals: true,
    });
    const [action, folder, ...rest] = positionals;
    if (folder === undefined || rest.length > 0) return misused();
    if (action === 'register') return register(folder);
    return action === 'types' ? writeTypes(folder, values.out) : misused();
  },
};

async function register(folder: string): Promise<number> {
  const eventTypes = await loadEventTypes(folder);
  const { schemaIds, createdTopics } = await registerEventTypes(eventTypes, readConfig());
  for (const { type } of eventTypes) console.log(`${type}: schema ${schemaIds.get(type)}`);
  for (const topic of createdTopics) console.log(`created the topic ${topic}`);
  return 0;
}

/** Registers event types with the servers of the configuration; opens and closes its own connections. */
export async function registerEventTypes(eventTypes: readonly EventType[], config: Config): Promise<RegisteredSchemas> {
  const log = createLogger('warn');
  const database = openDatabase({ url: config.databaseUrl, poolSize: 1, log });
  const admin = createKafkaClient(config.kafka, 'posthorn-schemas', log).admin();
  try {
    await admin.connect();
    return await registerSchemas(eventTypes, {
      registry: createSchemaRegistry({ url: config.schemaRegistryUrl }),
      createTopics: (topics) => {
        const plans = topics.map((topic) => planInputTopic(topic, config.kafka.partitions));
        return createTopics(admin, plans, config.kafka.replication);
      },
      saveEventType: (eventType) => saveEventType(database, eventType),
    });
  } finally {
    await admin.disconnect();
    await database.close();
  }
}

async function writeTypes(folder: string, file: string | undefined): Promise<number> {
  const source = toTypeScript(await loadEventTypes(folder));
  if (file === undefined) console.log(source);
  else await writeFile(file, source);
  return 0;
}

function misused(): number {
  console.error(USAGE);
  return 2;
}
