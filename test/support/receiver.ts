import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EgressPolicy } from '../../src/domain/address-policy.ts';
import { ensureCertificates, type LocalCertificates } from '../../src/local/certificates.ts';
import { type Arrival, type Receiver, type ReceiverOptions, startReceiver } from '../../src/local/receiver.ts';

/** A receiver with the list of what arrived. */
export interface TestReceiver extends Receiver {
  readonly arrivals: readonly Arrival[];
  /** The authority to trust; null over plain HTTP. */
  readonly ca: string | null;
}

export type TestReceiverOptions = Omit<ReceiverOptions, 'tls'> & { readonly plainHttp?: boolean };

let certificates: Promise<LocalCertificates> | null = null;

/** A certificate for `localhost`, made once per test file. */
export function testCertificates(): Promise<LocalCertificates> {
  certificates ??= makeCertificates();
  return certificates;
}

/** Starts a receiver on a free port, over HTTPS unless told otherwise. */
export async function startTestReceiver(options: TestReceiverOptions = {}): Promise<TestReceiver> {
  const { plainHttp = false, onArrival, ...rest } = options;
  const arrivals: Arrival[] = [];
  const tls = plainHttp ? null : await testCertificates();
  const receiver = await startReceiver({
    ...rest,
    ...(tls === null ? {} : { tls }),
    onArrival: (arrival) => {
      arrivals.push(arrival);
      onArrival?.(arrival);
    },
  });
  return { ...receiver, arrivals, ca: tls?.ca ?? null };
}

/** The real policy with loopback let in; everything else stays refused. */
export const LOOPBACK_POLICY: EgressPolicy = {
  allowCidrs: ['127.0.0.0/8'],
  allowHttp: false,
  allowIpLiterals: false,
  ports: '*',
  ownHosts: [],
};

/** The same with plain HTTP. */
export const LOOPBACK_HTTP_POLICY: EgressPolicy = { ...LOOPBACK_POLICY, allowHttp: true };

async function makeCertificates(): Promise<LocalCertificates> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-certificates-'));
  try {
    return await ensureCertificates(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
