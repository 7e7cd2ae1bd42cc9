import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadEventTypes } from '../../../../src/infrastructure/avro/catalogue-files.ts';
import { recordSchema } from '../../../support/avro-records.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-schemas-'));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (name: string, schema: unknown) => writeFile(join(folder, name), JSON.stringify(schema));
const FIELDS = [{ name: 'id', type: 'string' }];

test('every schema of a folder becomes an event type, other files are left alone', async () => {
  await write('order.shipped.avsc', recordSchema('order.shipped', FIELDS));
  await write('order.line.added.avsc', recordSchema('order.line.added', FIELDS));
  await writeFile(join(folder, 'README.md'), 'not a schema');
  const loaded = await loadEventTypes(folder);
  expect(loaded.map(({ type, recordName }) => [type, recordName])).toEqual([
    ['order.line.added', 'posthorn.events.order.LineAdded'],
    ['order.shipped', 'posthorn.events.order.Shipped'],
  ]);
  expect(loaded[1]).toMatchObject({ description: 'What order.shipped tells', jsonSchema: { required: ['id'] } });
});

test.each<[string, string, unknown, string]>([
  ['a name in capitals', 'Order.Shipped.avsc', recordSchema('order.shipped', FIELDS), 'lower snake case'],
  ['a name without domain', 'shipped.avsc', recordSchema('order.shipped', FIELDS), '<domain>.<what happened>'],
  ['a reserved name', 'all.avsc', recordSchema('order.shipped', FIELDS), '<domain>.<what happened>'],
  [
    'another record name',
    'order.lost.avsc',
    recordSchema('order.shipped', FIELDS),
    'must be named posthorn.events.order.Lost, not posthorn.events.order.Shipped',
  ],
  ['no record', 'order.lost.avsc', { type: 'array', items: 'int' }, 'must be a record'],
  [
    'an unknown type',
    'order.lost.avsc',
    recordSchema('order.lost', [{ name: 'id', type: 'uuid' }]),
    'the type uuid is not defined',
  ],
  [
    'an undocumented record',
    'order.lost.avsc',
    { ...recordSchema('order.lost', FIELDS), doc: '' },
    'the record posthorn.events.order.Lost has no doc',
  ],
  [
    'an undocumented field',
    'order.lost.avsc',
    recordSchema('order.lost', [{ name: 'id', type: 'string', doc: '' }]),
    'the field id of posthorn.events.order.Lost has no doc',
  ],
  [
    'a default of another type',
    'order.lost.avsc',
    recordSchema('order.lost', [{ name: 'id', type: 'string', default: 5 }]),
    'default',
  ],
  [
    'an example of another type',
    'order.lost.avsc',
    recordSchema('order.lost', [{ name: 'id', type: 'string', example: 5 }]),
    'data.id must be text',
  ],
])('%s is named with its file', async (_what, file, schema, problem) => {
  await write(file, schema);
  const failure = await loadEventTypes(folder).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'bad_request' });
  expect(String(failure)).toContain(`${file}: `);
  expect(String(failure)).toContain(problem);
});

test('all problems are told at once', async () => {
  await writeFile(join(folder, 'a.b.avsc'), '{');
  await write('c.d.avsc', { type: 'record' });
  const failure = String(await loadEventTypes(folder).catch((error: unknown) => error));
  expect(failure).toMatch(/a\.b\.avsc: .*\nc\.d\.avsc: /);
});

test('an empty or missing folder is said to be one', async () => {
  await expect(loadEventTypes(folder)).rejects.toThrow('holds no .avsc file');
  await expect(loadEventTypes(join(folder, 'nowhere'))).rejects.toThrow('cannot be read');
});
