import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/** The layers from the inside out; a file may import its own layer and those before it. */
const LAYERS = ['domain', 'infrastructure', 'processes', 'entry'] as const;
type Layer = (typeof LAYERS)[number];

/** Third-party packages that belong to one place. */
const HOMES: Readonly<Record<string, RegExp>> = {
  kafkajs: /^infrastructure\/kafka\//,
  avsc: /^infrastructure\/avro\//,
  '@kafkajs/confluent-schema-registry': /^infrastructure\/avro\//,
  knex: /^infrastructure\/postgres\//,
  pg: /^infrastructure\/postgres\//,
  'pg-copy-streams': /^infrastructure\/postgres\//,
  // The yardstick of the benchmark is undici itself.
  undici: /^(infrastructure\/http|bench)\//,
  pino: /^infrastructure\/telemetry\//,
  'prom-client': /^infrastructure\/telemetry\//,
  '@opentelemetry/api': /^infrastructure\/telemetry\//,
  '@opentelemetry/sdk-trace': /^infrastructure\/telemetry\//,
  '@opentelemetry/resources': /^infrastructure\/telemetry\//,
  '@opentelemetry/exporter-trace-otlp-http': /^infrastructure\/telemetry\//,
  koa: /^processes\/api\//,
  '@koa/router': /^processes\/api\//,
};

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const imports = files.flatMap(importsOf);
const relatives = imports.filter(({ to }) => to.startsWith('.'));
const ours = relatives.map((one) => ({ ...one, to: relative(SRC, resolve(SRC, dirname(one.from), one.to)) }));

function importsOf(file: string): Import[] {
  const source = readFileSync(join(SRC, file), 'utf8');
  const statements = source.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm);
  return [...statements].map(([statement, type, from, bare]) => ({
    from: file,
    to: from ?? bare ?? '',
    isType: type !== undefined || hasOnlyTypes(statement),
  }));
}

function hasOnlyTypes(statement: string): boolean {
  const names = /\{([^}]*)\}/
    .exec(statement)?.[1]
    ?.split(',')
    .map((name) => name.trim()) ?? [''];
  return names.filter((name) => name !== '').every((name) => name.startsWith('type ')) && names.join('') !== '';
}

function layerOf(file: string): Layer {
  const [top = ''] = file.split('/');
  return LAYERS.find((layer) => layer === top) ?? 'entry';
}

const depth = (file: string) => LAYERS.indexOf(layerOf(file));
const show = ({ from, to }: Import) => `${from} -> ${to}`;

describe('layers', () => {
  test('the sources were found', () => {
    expect(ours.length).toBeGreaterThan(200);
  });

  test('no file imports from a layer further out', () => {
    expect(ours.filter(({ from, to }) => depth(to) > depth(from)).map(show)).toEqual([]);
  });

  test('the domain imports nothing but itself, hashing, ciphers and address arithmetic', () => {
    const allowed = /^(\.|node:crypto$|node:net$)/;
    expect(imports.filter(({ from, to }) => layerOf(from) === 'domain' && !allowed.test(to)).map(show)).toEqual([]);
  });

  test('a technology knows no other technology, only lifecycle, waiting and telemetry', () => {
    const technology = (file: string) => file.split('/')[1] ?? '';
    const shared = /^infrastructure\/(telemetry\/|[a-z-]+\.ts$)/;
    const crossing = ours.filter(
      ({ from, to }) =>
        layerOf(from) === 'infrastructure' &&
        layerOf(to) === 'infrastructure' &&
        technology(from) !== technology(to) &&
        !shared.test(to),
    );
    expect(crossing.map(show)).toEqual([]);
  });

  test('a process knows infrastructure by its types only, and no other process', () => {
    const role = (file: string) => file.split('/')[1] ?? '';
    const isProcess = (file: string) => layerOf(file) === 'processes';
    const values = ours.filter(
      ({ from, to, isType }) => isProcess(from) && layerOf(to) === 'infrastructure' && !isType,
    );
    const crossing = ours.filter(
      ({ from, to }) => isProcess(from) && isProcess(to) && to.split('/').length > 2 && role(from) !== role(to),
    );
    expect([...values, ...crossing].map(show)).toEqual([]);
  });

  test('every third-party package is used in its own folder only', () => {
    const strays = imports.filter(({ from, to, isType }) => {
      const home = HOMES[to];
      const isEntryType = isType && layerOf(from) === 'entry';
      return home !== undefined && !home.test(from) && !isEntryType;
    });
    expect(strays.map(show)).toEqual([]);
  });
});
