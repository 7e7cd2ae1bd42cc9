import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createMetrics } from '../../src/infrastructure/telemetry/metrics.ts';
import { DOCUMENTS_WITH_TABLES, withTables } from '../support/readme-tables.ts';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync('docs').map((name) => join('docs', name)),
];

const read = (file: string) => readFileSync(file, 'utf8');

/** The literals of a union of strings, as its source lists them. */
function literalsOf(file: string, type: string): string[] {
  const [, body] = new RegExp(`export type ${type} =([^;]+);`).exec(read(file)) ?? [];
  const literals = [...(body ?? '').matchAll(/'([a-z_]+)'/g)].map(([, literal]) => literal ?? '');
  if (literals.length === 0) throw new Error(`${file} has no union ${type}`);
  return literals;
}

function undocumented(names: readonly string[], document: string): string[] {
  const text = read(document);
  return names.filter((name) => !text.includes(`\`${name}\``));
}

test.each(DOCUMENTS_WITH_TABLES)('the tables of %s say what the code says (npm run docs)', (document) => {
  expect(read(document)).toBe(withTables(document, read(document)));
});

test('every failure code and every reason of a rejected event is explained', () => {
  const codes = literalsOf('src/domain/send-result.ts', 'FailureCode');
  const reasons = literalsOf('src/domain/event.ts', 'EventRejectionReason');
  expect(undocumented(codes, 'docs/receivers.md')).toEqual([]);
  expect(undocumented(reasons, 'docs/producers.md')).toEqual([]);
});

test('the table of metrics lists what the ops port tells', async () => {
  const { registry, descriptions } = createMetrics();
  const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  const ours = names.filter((name) => name.startsWith('posthorn_'));
  expect(descriptions.map(({ name }) => name).toSorted()).toEqual(ours.toSorted());
  expect(ours.filter((name) => !/^posthorn_[a-z]+(_[a-z]+)*$/.test(name))).toEqual([]);
});

test('every link to a file or a heading leads somewhere', () => {
  const broken = DOCUMENTS.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].flatMap(([link, path = '', anchor]) => {
      const target = path === '' ? document : join(dirname(document), path);
      const isFound = existsSync(target) && (anchor === undefined || anchorsOf(target).includes(anchor));
      return isFound ? [] : [`${document}: ${link}`];
    }),
  );
  expect(broken).toEqual([]);
});

/** Headings as forges turn them into anchors. */
function anchorsOf(document: string): string[] {
  return [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}
