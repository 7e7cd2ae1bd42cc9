import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureCertificates } from '../../../src/local/certificates.ts';

const DAY_MS = 86_400_000;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-certificates-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('ensureCertificates', () => {
  it('makes a certificate for the names of this machine, signed by its own authority', async () => {
    const { cert, ca, caFile } = await ensureCertificates(folder);
    const [server, authority] = [new X509Certificate(cert), new X509Certificate(ca)];
    expect(server.checkHost('localhost')).toBe('localhost');
    expect([server.checkIP('127.0.0.1'), server.checkIP('::1')]).toEqual(['127.0.0.1', '::1']);
    expect(server.verify(authority.publicKey)).toBe(true);
    expect([authority.ca, server.ca]).toEqual([true, false]);
    expect(readFileSync(caFile, 'utf8')).toBe(ca);
  });

  it('makes it once', async () => {
    const first = await ensureCertificates(folder);
    expect(await ensureCertificates(folder)).toEqual(first);
  });

  it('keeps the key to its owner, and the key of the authority nowhere', async () => {
    const { key } = await ensureCertificates(folder);
    const files = readdirSync(folder).map((name) => join(folder, name));
    for (const file of files) expect(statSync(file).mode & 0o777).toBe(0o600);
    const keys = files.flatMap((file) => readFileSync(file, 'utf8').match(/BEGIN PRIVATE KEY/g) ?? []);
    expect(keys.length).toBe(1);
    expect(key).toContain('BEGIN PRIVATE KEY');
  });

  it('makes a new one before the old one expires', async () => {
    const first = await ensureCertificates(folder);
    const soon = Date.now() + 340 * DAY_MS;
    const second = await ensureCertificates(folder, soon);
    expect(second.cert).not.toBe(first.cert);
    expect(new X509Certificate(second.cert).validToDate.getTime()).toBeGreaterThan(soon + 300 * DAY_MS);
    expect(readFileSync(second.caFile, 'utf8')).toBe(second.ca);
  });

  it.each(['', 'not json', '{"key":"k","cert":"c","ca":"a"}', '[]', 'null'])(
    'replaces what is no certificate: %j',
    async (content) => {
      writeFileSync(join(folder, 'server.json'), content);
      const { cert } = await ensureCertificates(folder);
      expect(new X509Certificate(cert).checkHost('localhost')).toBe('localhost');
    },
  );

  it('gives the same one to all who ask at once', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => ensureCertificates(folder)));
    expect(new Set(all.map(({ cert }) => cert)).size).toBe(1);
    expect(readdirSync(folder).toSorted()).toEqual(['ca.pem', 'server.json']);
  });
});
