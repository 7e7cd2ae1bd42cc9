import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { snippetOf } from '../support/snippets.ts';

const run = promisify(execFile);
const BINARIES = resolve('node_modules/.bin');
/** Node 24 first, as for everybody who meets `engines`. */
const env = { ...process.env, PATH: `${BINARIES}${delimiter}${process.env['PATH']}` };
/** The optional PostgreSQL and the install scripts are for local servers; what is tested here must do without. */
const INSTALL = ['--omit=optional', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];

/** A program of somebody who uses the package: its types are checked first, then it runs. */
const CONSUMER = `
import { createPublisher, type ScreeningCompleted, verify } from 'posthorn';

const screening: Pick<ScreeningCompleted, 'screening_id'> = { screening_id: 'scr_1' };
try {
  verify('whsec_' + 'A2B3'.repeat(13), '{}', {});
} catch (error) {
  console.log(error instanceof Error ? error.name : 'nothing');
}
try {
  await createPublisher({ kafkaBrokers: 'unused:1', schemaRegistryUrl: 'http://unused', source: '/t', schemas: '/nowhere' });
} catch (error) {
  console.log(error instanceof Error && 'code' in error ? error.code : 'nothing');
}

export async function publishOne(): Promise<void> {
  const publisher = await createPublisher({ kafkaBrokers: 'k:1', schemaRegistryUrl: 'http://r', source: '/t' });
  // @ts-expect-error -- the data of this type lacks most fields
  await publisher.publish('screening.completed', screening, { tenantId: 'acme' });
  // @ts-expect-error -- there is no such type
  await publisher.publish('screening.imagined', {}, { tenantId: 'acme' });
}
`;

let folder: string;
let installed: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-package-'));
  await run('npm', ['pack', '--pack-destination', folder], { env });
  const tarball = join(folder, `posthorn-${manifest.version}.tgz`);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  await run('npm', ['install', ...INSTALL, tarball], { cwd: folder, env });
  installed = join(folder, 'node_modules', 'posthorn');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function posthorn(...args: string[]): Promise<string> {
  const { stdout } = await run(join(folder, 'node_modules', '.bin', 'posthorn'), args, { cwd: folder, env });
  return stdout;
}

test('the installed binary tells its version and its commands', async () => {
  expect(await posthorn('--version')).toBe(`${manifest.version}\n`);
  const help = await posthorn('--help');
  for (const command of ['up', 'bootstrap', 'serve', 'publish']) expect(help).toContain(`\n  ${command} `);
  expect(await posthorn('serve', '--help')).toContain('POSTHORN_KAFKA_BROKERS');
});

test('the package holds what runs and nothing else', () => {
  const top = readdirSync(installed).toSorted();
  const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'docs'];
  const expected = [...documents, 'dist', 'docker-compose.yml', 'package.json', 'schemas'].toSorted();
  expect(top.filter((name) => name !== 'node_modules')).toEqual(expected);
  expect(readdirSync(join(installed, 'schemas', 'events'))).toHaveLength(32);
  expect(readFileSync(join(installed, 'dist', 'cli.js'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

test('a program that imports the package is checked by its types and runs', async () => {
  const compilerOptions = {
    strict: true,
    target: 'ES2024',
    module: 'NodeNext',
    types: ['node'],
    typeRoots: [resolve('node_modules/@types')],
    noEmit: true,
  };
  const files = ['consumer.ts', 'documented.ts'];
  writeFileSync(join(folder, 'consumer.ts'), CONSUMER);
  writeFileSync(join(folder, 'documented.ts'), snippetOf('docs/producers.md', 'publisher'));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  await run('tsc', ['-p', folder], { env }).catch(({ stdout }: { stdout: string }) => expect.fail(stdout));
  const { stdout } = await run('node', ['consumer.ts'], { cwd: folder, env });
  expect(stdout.split('\n')).toEqual(['WebhookVerificationError', 'bad_request', '']);
});
