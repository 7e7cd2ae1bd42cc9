import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config.ts';
import { AppError } from '../domain/errors.ts';
import { eventTopicOf } from '../domain/event-naming.ts';
import { loadEventTypes } from '../infrastructure/avro/catalogue-files.ts';
import { createEventPublisher, type PublishAttributes } from '../infrastructure/avro/event-publisher.ts';
import { SHIPPED_EVENTS_FOLDER } from '../infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../infrastructure/avro/registry.ts';
import { createKafkaClient } from '../infrastructure/kafka/client.ts';
import { KafkaPublisher } from '../infrastructure/kafka/publisher.ts';
import { missingTopics, planInputTopic } from '../infrastructure/kafka/topics.ts';
import { createSilentLogger } from '../infrastructure/telemetry/logger.ts';
import type { Command } from './command.ts';

const USAGE = `posthorn publish --tenant T --type X [--data JSON] [--id I] [--subject S] [--time T] [--source S] [--schemas DIR]

Publishes one typed event to Kafka and prints its id.

  --tenant T      tenant that may receive it (ce_tenantid)
  --type X        event type, e.g. screening.completed
  --data JSON     the event's data in the form that receivers get; the sample of the catalogue when absent
  --id I          ce_id, 1 to 64 letters, digits, - or _; a UUID when absent
  --subject S     the entity it is about; events of one subject keep their order
  --time T        when it happened, RFC 3339; now when absent
  --source S      ce_source (/posthorn/cli)
  --schemas DIR   folder with the type's schema, for types of your own (those that ship with Posthorn)
`;

const OPTIONS = {
  tenant: { type: 'string' },
  type: { type: 'string' },
  data: { type: 'string' },
  id: { type: 'string' },
  subject: { type: 'string' },
  time: { type: 'string' },
  source: { type: 'string', default: '/posthorn/cli' },
  schemas: { type: 'string' },
} as const;

/** `posthorn publish`: one typed event. */
export const publishCommand: Command = {
  name: 'publish',
  summary: 'publish one typed event to Kafka',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const { tenant, type, data, id, subject, time } = values;
    if (tenant === undefined || type === undefined) {
      console.error(USAGE);
      return 2;
    }
    const parsed = data === undefined ? null : parseJson(data);
    if (parsed?.kind === 'invalid') {
      console.error(`--data is not JSON: ${parsed.problem}`);
      return 2;
    }
    const attributes = { tenantId: tenant, ...given('id', id), ...given('subject', subject), ...given('time', time) };
    const folder = values.schemas ?? fileURLToPath(SHIPPED_EVENTS_FOLDER);
    const request = { type, attributes, folder, source: values.source };
    const published = await publish({ ...request, ...(parsed === null ? {} : { data: parsed.value }) }, readConfig());
    console.log(`published ${published.type} ${published.id} to ${published.topic}`);
    return 0;
  },
};

interface PublishRequest {
  readonly type: string;
  readonly data?: unknown;
  readonly attributes: PublishAttributes;
  readonly folder: string;
  readonly source: string;
}

async function publish(request: PublishRequest, config: Config) {
  const { type, folder, source, attributes } = request;
  const eventTypes = await loadEventTypes(folder);
  const log = createSilentLogger();
  const kafka = createKafkaClient(config.kafka, 'posthorn-publish', log);
  await requireTopic(kafka.admin(), eventTopicOf(type));
  const connection = new KafkaPublisher({ kafka, log });
  await connection.start();
  try {
    const publisher = createEventPublisher<Record<string, unknown>>({
      publish: (records) => connection.publish(records),
      registry: createSchemaRegistry({ url: config.schemaRegistryUrl }),
      eventTypes,
      source,
    });
    const sample = eventTypes.find((eventType) => eventType.type === type)?.sample;
    return await publisher.publish(type, 'data' in request ? request.data : sample, attributes);
  } finally {
    await connection.stop();
  }
}

/** A missing topic is a missing bootstrap: better said at once than after the publisher has given up. */
async function requireTopic(admin: ReturnType<ReturnType<typeof createKafkaClient>['admin']>, topic: string) {
  await admin.connect();
  try {
    const missing = await missingTopics(admin, [planInputTopic(topic, null)]);
    const advice = 'run `posthorn bootstrap` or `posthorn schemas register`';
    if (missing.length > 0) throw new AppError('not_found', `the topic ${topic} does not exist; ${advice}`);
  } finally {
    await admin.disconnect();
  }
}

function parseJson(text: string): { kind: 'parsed'; value: unknown } | { kind: 'invalid'; problem: string } {
  try {
    return { kind: 'parsed', value: JSON.parse(text) };
  } catch (error) {
    return { kind: 'invalid', problem: error instanceof Error ? error.message : String(error) };
  }
}

function given<K extends string>(name: K, value: string | undefined): { [P in K]?: string } {
  // Absent and undefined differ for exact optional properties: only what was given is set.
  return value === undefined ? {} : ({ [name]: value } as { [P in K]?: string });
}
