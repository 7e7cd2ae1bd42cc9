import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SchemaRegistry as ClientOfOthers } from '@kafkajs/confluent-schema-registry';
import { afterEach, describe, expect, test } from 'vitest';
import { createCatalogue } from '../../../src/domain/catalogue.ts';
import type { EventType } from '../../../src/domain/event-type.ts';
import { describeEventType, loadEventTypes } from '../../../src/infrastructure/avro/catalogue-files.ts';
import { createEventReader } from '../../../src/infrastructure/avro/event-reader.ts';
import {
  createDeliveryCodec,
  registerInternalSchemas,
  SHIPPED_EVENTS_FOLDER,
} from '../../../src/infrastructure/avro/internal-schemas.ts';
import { createSchemaRegistry } from '../../../src/infrastructure/avro/registry.ts';
import { aRecord, eventHeaders, recordSchema } from '../../support/avro-records.ts';
import { testServers } from '../../support/servers.ts';
import { unique } from '../../support/unique.ts';

const url = () => testServers().schemaRegistryUrl;
const ID = { name: 'id', type: 'string' };
const NOTE = { name: 'note', type: 'string', default: '-' };

describe('with a real registry', () => {
  test('every shipped schema registers, again too, and its subject is FULL_TRANSITIVE', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const eventTypes = await loadEventTypes(fileURLToPath(SHIPPED_EVENTS_FOLDER));
    const check = async ({ recordName, avroSchema }: EventType) => {
      const id = await registry.register(recordName, avroSchema);
      expect(await registry.register(recordName, avroSchema)).toBe(id);
      expect(await registry.idOf(recordName, avroSchema)).toBe(id);
      expect(await levelOf(recordName)).toBe('FULL_TRANSITIVE');
    };
    await Promise.all(eventTypes.map(check));
    expect(eventTypes).toHaveLength(32);
  });

  test('an incompatible edit is refused with the reason of the registry', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const type = `trial.${unique('changed')}`;
    const before = describeEventType(type, recordSchema(type, [ID]));
    await registry.register(before.recordName, before.avroSchema);
    const failure = await registry
      .register(before.recordName, recordSchema(type, [ID, { name: 'score', type: 'int' }]))
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'schema_incompatible', details: { subject: before.recordName } });
    expect(String(failure)).toContain('score');
    expect(String(failure)).not.toContain('java');
  });

  test('an edit that gives old values another meaning is refused, although the registry would take it', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const type = `trial.${unique('scale')}`;
    const amount = (scale: number) => ({
      name: 'amount',
      type: ['null', { type: 'bytes', logicalType: 'decimal', precision: 9, scale }],
      default: null,
    });
    const before = describeEventType(type, recordSchema(type, [ID, amount(2)]));
    await registry.register(before.recordName, before.avroSchema);
    const failure = registry.register(before.recordName, recordSchema(type, [ID, amount(4)]));
    await expect(failure).rejects.toMatchObject({
      code: 'schema_incompatible',
      message: expect.stringContaining('amount'),
    });
  });

  test('every earlier version counts, not only the last', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const type = `trial.${unique('transitive')}`;
    const { recordName } = describeEventType(type, recordSchema(type, [ID]));
    await registry.register(recordName, recordSchema(type, [ID, NOTE]));
    await registry.register(recordName, recordSchema(type, [ID]));
    const third = recordSchema(type, [ID, { name: 'note', type: 'int', default: 0 }]);
    await expect(registry.register(recordName, third)).rejects.toMatchObject({ code: 'schema_incompatible' });
  });

  test('an example may change without making a version incompatible', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const type = `trial.${unique('example')}`;
    const { recordName } = describeEventType(type, recordSchema(type, [ID]));
    await registry.register(recordName, recordSchema(type, [{ ...ID, example: 'a' }]));
    await expect(registry.register(recordName, recordSchema(type, [{ ...ID, example: 'b' }]))).resolves.toBeTypeOf(
      'number',
    );
  });

  test('what the registry finds invalid is a bad request', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const failure = registry.register(`posthorn.events.trial.${unique('Bad')}`, { type: 'recor' });
    await expect(failure).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('a schema that was never registered has no id', async () => {
    const registry = createSchemaRegistry({ url: url() });
    const type = `trial.${unique('absent')}`;
    await expect(registry.idOf(type, recordSchema(type, [ID]))).rejects.toMatchObject({ code: 'not_found' });
  });

  test.each([
    ['older', [ID], { id: 'a' }],
    ['newer', [NOTE, ID, { ...NOTE, name: 'more' }], { note: 'n', id: 'a', more: 'm' }],
  ])('a producer with an %s version and another client is read', async (_age, fields, data) => {
    const registry = createSchemaRegistry({ url: url() });
    const type = `trial.${unique('evolved')}`;
    const current = describeEventType(type, recordSchema(type, [ID, NOTE]));
    await registry.register(current.recordName, current.avroSchema);
    const id = await registry.register(current.recordName, recordSchema(type, fields));
    const value = await new ClientOfOthers({ host: url() }).encode(id, data);
    const reader = createEventReader({ registry, catalogue: createCatalogue([current]) });
    const result = await reader.read(aRecord(value, eventHeaders(type)));
    const note = 'note' in data ? data.note : '-';
    expect(result.kind === 'event' && result.event.body.toString()).toContain(`"data":{"id":"a","note":"${note}"}`);
    expect(reader.read(aRecord(value, eventHeaders(type)))).toEqual(result);
  });

  test('another client reads what our codec writes', async () => {
    const registry = createSchemaRegistry({ url: url() });
    await registerInternalSchemas(registry);
    const codec = await createDeliveryCodec(registry);
    const delivery = {
      delivery_id: 'd',
      webhook_id: 'w',
      tenant_id: 't',
      event_id: 'e',
      event_type: 'a.b',
      event_source: '/s',
      event_time: '2026-01-19T10:30:00Z',
      subject: 's',
      replay_id: null,
      created_at_ms: 1,
      attempt: 1,
      not_before_ms: 0,
      waiting_since_ms: 0,
      rewrites: 0,
      traceparent: null,
      body: Buffer.from('{}'),
    };
    const decoded: unknown = await new ClientOfOthers({ host: url() }).decode(codec.encode(delivery));
    expect({ ...(decoded as object) }).toEqual(delivery);
  });

  test('an id that the registry never gave is unknown', async () => {
    const schema = createSchemaRegistry({ url: url() }).writerSchema(2_000_000_000);
    expect(await schema).toEqual({ kind: 'unknown', id: 2_000_000_000 });
  });

  test('a registry that answers can be pinged', async () => {
    await expect(createSchemaRegistry({ url: url() }).ping()).resolves.toBeUndefined();
  });

  async function levelOf(subject: string): Promise<unknown> {
    const response = await fetch(`${url()}/config/${subject}`);
    return ((await response.json()) as { compatibilityLevel: unknown }).compatibilityLevel;
  }
});

/** What a test's registry has been asked, and how it answers. */
type Answer = (response: ServerResponse, path: string) => void;
let closeServer: (() => Promise<unknown>) | undefined;
afterEach(async () => {
  await closeServer?.();
  closeServer = undefined;
});

async function scriptedRegistry(answer: Answer) {
  const paths: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    authorizations.push(request.headers.authorization);
    answer(response, request.url ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeServer = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, paths, authorizations };
}

function json(status: number, body: unknown): Answer {
  return (response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const SCHEMA = { schema: JSON.stringify(recordSchema('order.shipped', [ID])) };

describe('with a registry that does not answer as one', () => {
  test.each<[string, Answer]>([
    ['500', json(500, { error_code: 50_001, message: 'store is down' })],
    ['503 without a body', (response) => response.writeHead(503).end()],
    ['404 of a proxy', (response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not here</h1>')],
    ['404 with another code', json(404, { error_code: 40_401, message: 'no such subject' })],
    ['404 without a code', json(404, { message: 'no route' })],
    ['401', json(401, { error_code: 40_101, message: 'who are you' })],
    ['a page instead of a schema', (response) => response.writeHead(200).end('<html>Welcome</html>')],
    ['an answer without a schema', json(200, { id: 1 })],
    ['a JSON null', json(200, null)],
    ['a redirect', (response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
    ['a connection that ends', (response) => response.destroy()],
    ['silence', () => {}],
  ])('%s is an outage, and the next question is asked again', async (_what, answer) => {
    const scripted = await scriptedRegistry(answer);
    const registry = createSchemaRegistry({ url: scripted.url, timeoutMs: 300 });
    await expect(registry.writerSchema(7)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(registry.writerSchema(7)).rejects.toMatchObject({ code: 'unavailable' });
    expect(scripted.paths.filter((path) => path === '/schemas/ids/7')).toHaveLength(2);
  });

  test('a closed port is an outage for every question', async () => {
    const registry = createSchemaRegistry({ url: 'http://127.0.0.1:9', timeoutMs: 300 });
    const unavailable = { code: 'unavailable' };
    await expect(registry.writerSchema(7)).rejects.toMatchObject(unavailable);
    await expect(registry.register('a.B', recordSchema('a.b', [ID]))).rejects.toMatchObject(unavailable);
    await expect(registry.idOf('a.B', recordSchema('a.b', [ID]))).rejects.toMatchObject(unavailable);
    await expect(registry.ping()).rejects.toMatchObject(unavailable);
  });

  test('an event is read once the outage is over', async () => {
    let isDown = true;
    const scripted = await scriptedRegistry((response, path) =>
      (isDown ? json(503, {}) : json(200, SCHEMA))(response, path),
    );
    const shipped = describeEventType('order.shipped', recordSchema('order.shipped', [ID]));
    const registry = createSchemaRegistry({ url: scripted.url });
    const reader = createEventReader({ registry, catalogue: createCatalogue([shipped]) });
    const record = aRecord(Buffer.from([0, 0, 0, 0, 7, 2, 97]), eventHeaders('order.shipped'));
    await expect(reader.read(record)).rejects.toMatchObject({ code: 'unavailable' });
    isDown = false;
    expect(await reader.read(record)).toMatchObject({ kind: 'event' });
  });
});

describe('what is remembered', () => {
  test('an unknown id is asked for again after 60 s, not before', async () => {
    const scripted = await scriptedRegistry(json(404, { error_code: 40_403, message: 'Schema not found' }));
    let nowMs = 1000;
    const registry = createSchemaRegistry({ url: scripted.url, now: () => nowMs });
    expect(await registry.writerSchema(7)).toEqual({ kind: 'unknown', id: 7 });
    nowMs += 59_999;
    expect(registry.writerSchema(7)).toEqual({ kind: 'unknown', id: 7 });
    expect(scripted.paths).toHaveLength(1);
    nowMs += 1;
    await registry.writerSchema(7);
    expect(scripted.paths).toHaveLength(2);
  });

  test('a known id is never asked for again, and questions at the same time are one request', async () => {
    const scripted = await scriptedRegistry(json(200, SCHEMA));
    const registry = createSchemaRegistry({ url: scripted.url });
    const answers = await Promise.all([registry.writerSchema(7), registry.writerSchema(7), registry.writerSchema(7)]);
    expect(answers[0]).toMatchObject({ kind: 'avro', id: 7 });
    expect(registry.writerSchema(7)).toBe(answers[0]);
    expect(scripted.paths).toEqual(['/schemas/ids/7']);
  });

  test('ids that no registry gives are not asked for', async () => {
    const scripted = await scriptedRegistry(json(200, SCHEMA));
    const registry = createSchemaRegistry({ url: scripted.url });
    expect(registry.writerSchema(0)).toEqual({ kind: 'unknown', id: 0 });
    expect(registry.writerSchema(-5)).toEqual({ kind: 'unknown', id: -5 });
    expect(scripted.paths).toEqual([]);
  });

  test.each([
    ['another kind of schema', { schema: '{}', schemaType: 'PROTOBUF' }, 'is of type PROTOBUF, not Avro'],
    ['a schema that avsc cannot read', { schema: '{"type":"recor"}' }, 'is not a valid Avro schema'],
    ['text that is no JSON', { schema: '{' }, 'is not a valid Avro schema'],
  ])('%s is unusable for good', async (_what, body, problem) => {
    const scripted = await scriptedRegistry(json(200, body));
    const registry = createSchemaRegistry({ url: scripted.url });
    const schema = await registry.writerSchema(7);
    expect(schema).toMatchObject({ kind: 'unusable', problem: expect.stringContaining(problem) });
    expect(registry.writerSchema(7)).toBe(schema);
  });

  test('a schema that refers to others is read with them', async () => {
    const inner = { type: 'record', name: 'shared.Inner', fields: [{ name: 'at', type: 'long' }] };
    const outer = recordSchema('order.shipped', [{ name: 'inner', type: 'shared.Inner' }]);
    const scripted = await scriptedRegistry((response, path) => {
      const isInner = path === '/subjects/shared.Inner/versions/3';
      const references = [{ name: 'shared.Inner', subject: 'shared.Inner', version: 3 }];
      const body = isInner ? { schema: JSON.stringify(inner) } : { schema: JSON.stringify(outer), references };
      json(200, body)(response, path);
    });
    const schema = await createSchemaRegistry({ url: scripted.url }).writerSchema(7);
    expect(schema).toMatchObject({ kind: 'avro' });
    expect(scripted.paths).toEqual(['/schemas/ids/7', '/subjects/shared.Inner/versions/3']);
  });
});

test('credentials of the URL are sent as basic authentication and appear in no message', async () => {
  const scripted = await scriptedRegistry(json(401, {}));
  const withCredentials = scripted.url.replace('//', '//user:p%40ss@');
  const registry = createSchemaRegistry({ url: withCredentials });
  const failure = await Promise.resolve(registry.writerSchema(7)).catch((error: unknown) => error);
  expect(JSON.stringify(failure) + String(failure)).not.toContain('p@ss');
  expect(scripted.authorizations).toEqual([`Basic ${Buffer.from('user:p@ss').toString('base64')}`]);
});

test('a URL that is none is a matter of configuration', () => {
  expect(() => createSchemaRegistry({ url: 'localhost:8081' })).toThrow(
    expect.objectContaining({ code: 'misconfigured' }),
  );
});
