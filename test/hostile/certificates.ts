import {
  type CertificateRequest,
  createAuthority,
  type KeyAndCertificate,
} from '../../src/local/certificate-authority.ts';

const DAY_MS = 86_400_000;

/** Certificates of every kind for hostile TLS servers. */
export interface HostileCertificates {
  /** The authority that the sender is told to trust. */
  readonly ca: string;
  /** A good one for `localhost` but for what is overridden. */
  issue(overrides?: Partial<CertificateRequest>): Promise<KeyAndCertificate>;
  /** As `issue`, from an authority that nobody trusts. */
  issueUnknown(): Promise<KeyAndCertificate>;
  /** Signed by its own key, for `localhost`. */
  readonly selfSigned: KeyAndCertificate;
}

/** A day relative to now. */
export function day(offset: number): Date {
  return new Date(Date.now() + offset * DAY_MS);
}

export async function createHostileCertificates(): Promise<HostileCertificates> {
  const validity = { notBefore: day(-100), notAfter: day(100) };
  const trusted = await createAuthority('trusted', validity);
  const unknown = await createAuthority('unknown', validity);
  const usual = { dnsNames: ['localhost'], addresses: [], notBefore: day(-1), notAfter: day(1) };
  return {
    ca: trusted.cert,
    issue: (overrides = {}) => trusted.issue({ ...usual, ...overrides }),
    issueUnknown: () => unknown.issue(usual),
    selfSigned: await selfSigned(),
  };
}

async function selfSigned(): Promise<KeyAndCertificate> {
  const { X509CertificateGenerator, SubjectAlternativeNameExtension, PemConverter } = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    notBefore: day(-1),
    notAfter: day(1),
    keys,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { key, cert: certificate.toString('pem') };
}
