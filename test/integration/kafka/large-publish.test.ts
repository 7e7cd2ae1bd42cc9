import { expect, test } from 'vitest';
import { KafkaPublisher } from '../../../src/infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { createTopic, readAll, testKafka } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';

test('records of one call that no single batch can hold are all written, in order', async () => {
  const kafka = testKafka();
  const topic = unique('large');
  await createTopic(kafka, topic, 1);
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [{ name: 'max.message.bytes', value: String(1024 * 1024) }];
  await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] });
  await admin.disconnect();
  const publisher = new KafkaPublisher({ kafka, log: createSilentLogger() });
  await publisher.start();
  try {
    // Six times what the topic takes in one batch.
    const records = Array.from({ length: 60 }, (_, index) => ({
      topic,
      key: String(index),
      value: Buffer.alloc(100_000, index),
    }));
    await publisher.publish(records);
    const written = await readAll(kafka, topic);
    expect(written.map(({ key }) => key)).toEqual(records.map(({ key }) => key));
  } finally {
    await publisher.stop();
  }
});
