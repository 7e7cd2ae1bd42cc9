import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { startProxiedKafka } from '../../../src/chaos/servers.ts';
import { readMachine } from '../../../src/config.ts';
import { KafkaPublisher } from '../../../src/infrastructure/kafka/publisher.ts';
import { createSilentLogger } from '../../../src/infrastructure/telemetry/logger.ts';
import { createTopic, kafkaAt, readAll } from '../../support/kafka.ts';
import { unique } from '../../support/unique.ts';

const PRODUCE = 0;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test('an answer that breaks off in the middle costs neither the client nor a record', async () => {
  const { kafka: cluster, kafkaLinks } = await startProxiedKafka(
    { ...readMachine(), brokers: 1, progress: () => undefined },
    closers,
  );
  const [link] = kafkaLinks;
  const client = kafkaAt([`127.0.0.1:${link?.port}`]);
  const topic = unique('topic');
  await createTopic(client, topic);
  const publisher = new KafkaPublisher({ kafka: client, log: createSilentLogger() });
  await publisher.start();
  closers.push(() => publisher.stop());
  const publish = (text: string) => publisher.publish([{ topic, key: 'k', value: Buffer.from(text) }]);
  await publish('before');

  // Six bytes: the length and half of the number of the request. Then the connection is gone.
  const cuts = link?.cutAnswers({ matches: (request) => request.readInt16BE(4) === PRODUCE, afterBytes: 6 }, 3);
  for (const text of ['first', 'second', 'third']) await publish(text);
  cuts?.disarm();
  await publish('after');

  expect(cuts?.done).toBe(3);
  const written = await readAll(kafkaAt(cluster.kafkaBrokers.split(',')), topic);
  expect(written.map(({ value }) => String(value))).toEqual(['before', 'first', 'second', 'third', 'after']);
}, 60_000);

test('requests that find their connection closed open a single new one between them', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => void server.close());
  const { port } = server.address() as AddressInfo;
  // A client, so that the guard is in place as in the product.
  kafkaAt([`127.0.0.1:${port}`]);
  const Connection = createRequire(import.meta.url)('kafkajs/src/network/connection') as ConnectionClass;
  const opened: Socket[] = [];
  const connection = new Connection({
    host: '127.0.0.1',
    port,
    logger: SILENT,
    connectionTimeout: 3_000,
    requestTimeout: 3_000,
    socketFactory: ({ onConnect }: { onConnect: () => void }) => {
      const socket = connect({ host: '127.0.0.1', port }, onConnect);
      opened.push(socket);
      return socket;
    },
  });
  await Promise.all([connection.connect(), connection.connect(), connection.connect()]);
  await connection.disconnect();
  expect(opened.length).toBe(1);
});

const nothing = () => undefined;
const SILENT = { namespace: () => ({ debug: nothing, error: nothing, warn: nothing, info: nothing }) };

type ConnectionClass = new (options: object) => { connect(): Promise<boolean>; disconnect(): Promise<boolean> };
