import { X509Certificate } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, type KeyAndCertificate } from './certificate-authority.ts';
import { writeFileAtomically } from './ready-file.ts';

/** TLS for servers on this machine. */
export interface LocalCertificates extends KeyAndCertificate {
  /** The authority that clients must trust, PEM, and the file that holds it. */
  readonly ca: string;
  readonly caFile: string;
}

interface Bundle extends KeyAndCertificate {
  readonly ca: string;
}

const DAY_MS = 86_400_000;
const LIFETIME_DAYS = 365;
const RENEW_DAYS = 30;

/**
 * A certificate for `localhost`, 127.0.0.1 and ::1 with an authority of its own, made once per folder and again before
 * it expires. The authority's key is thrown away, so trusting `ca.pem` trusts nothing else.
 */
export async function ensureCertificates(folder: string, nowMs = Date.now()): Promise<LocalCertificates> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'server.json');
  const bundle = readBundle(path, nowMs) ?? (await createBundle(path, nowMs));
  const caFile = join(folder, 'ca.pem');
  if (!existsSync(caFile) || readFileSync(caFile, 'utf8') !== bundle.ca) writeFileAtomically(caFile, bundle.ca);
  return { ...bundle, caFile };
}

async function createBundle(path: string, nowMs: number): Promise<Bundle> {
  const validity = { notBefore: new Date(nowMs - DAY_MS), notAfter: new Date(nowMs + LIFETIME_DAYS * DAY_MS) };
  const authority = await createAuthority('Posthorn local authority', validity);
  const issued = await authority.issue({ ...validity, dnsNames: ['localhost'], addresses: ['127.0.0.1', '::1'] });
  const quicker = readBundle(path, nowMs);
  if (quicker !== null) return quicker;
  rmSync(path, { force: true });
  const draft = `${path}.${process.pid}.draft`;
  writeFileAtomically(draft, JSON.stringify({ ...issued, ca: authority.cert }));
  try {
    linkSync(draft, path);
  } catch (error) {
    // Another process was quicker: then its certificate is the one.
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  const created = readBundle(path, nowMs);
  if (created === null) throw new Error(`${path} cannot be read back`);
  return created;
}

function readBundle(path: string, nowMs: number): Bundle | null {
  if (!existsSync(path)) return null;
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isBundle(content)) return null;
    const isFresh = new X509Certificate(content.cert).validToDate.getTime() - nowMs > RENEW_DAYS * DAY_MS;
    return isFresh ? content : null;
  } catch {
    // Whatever it is, it is no certificate of ours: make a new one.
    return null;
  }
}

function isBundle(content: unknown): content is Bundle {
  if (typeof content !== 'object' || content === null) return false;
  return ['key', 'cert', 'ca'].every((name) => name in content && typeof Reflect.get(content, name) === 'string');
}
