import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { canonicalAddress, type EgressPolicy, isNamedByOperator, judgeAddress } from '../../domain/address-policy.ts';
import { literalAddressOf, localhostAddresses } from '../../domain/destination.ts';
import { dial } from './dial.ts';
import { type Failure, failure } from './failure-codes.ts';
import { type Resolution, type ResolveHost } from './resolver.ts';
import { createTlsUpgrade } from './tls-upgrade.ts';

/** Where a request goes: the parsed origin of its URL. */
export interface Target {
  /** `https://host:port`, the key of its connections. */
  readonly origin: string;
  readonly isTls: boolean;
  /** As parsed: lower case, punycode, IPv6 in brackets. */
  readonly hostname: string;
  readonly port: number;
}

/** How long the steps of connecting took, milliseconds; null for a step that was not needed or not reached. */
export interface ConnectTimings {
  dnsMs: number | null;
  connectMs: number | null;
  tlsMs: number | null;
}

/** A connection to a judged address, not a byte of the request written yet, or why there is none. */
type Connected = { readonly timings: ConnectTimings } & (
  | { readonly ok: true; readonly socket: Socket }
  | { readonly ok: false; readonly failure: Failure }
);

/** Opens one connection; never rejects. An abort ends it early with any failure. */
export type Connect = (target: Target, signal: AbortSignal) => Promise<Connected>;

export interface ConnectorOptions {
  readonly policy: EgressPolicy;
  readonly resolve: ResolveHost;
  /** PEM certificates to trust besides the usual ones. */
  readonly extraCa?: string;
  /** For TCP and TLS together. */
  readonly connectTimeoutMs?: number;
  /** The addresses of this machine, which are never destinations; read from its network interfaces by default. */
  readonly ownAddresses?: readonly string[];
}

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_DIALED = 16;

/**
 * The only way out to receivers. Judges literals and every DNS answer, refuses when any of them is not public, dials
 * exactly a judged address and compares the peer before a byte is written: nothing is resolved twice, so nothing can be
 * rebound in between.
 */
export function createGuardedConnector(options: ConnectorOptions): Connect {
  const upgrade = createTlsUpgrade(options.extraCa);
  const judge = createJudge(options.policy, options.ownAddresses ?? addressesOfThisMachine());
  return async (target, signal) => {
    const timings: ConnectTimings = { dnsMs: null, connectMs: null, tlsMs: null };
    const refuse = (found: Failure): Connected => ({ ok: false, failure: found, timings });
    const resolution = await addressesOf(target, options, timings);
    if (!resolution.ok) return refuse(resolution.failure);
    const refusal = resolution.addresses.map(judge).find((rule) => rule !== null);
    if (refusal !== undefined && refusal !== null)
      return refuse(failure('destination_not_allowed', `address_${refusal}`));
    const startedMs = performance.now();
    const deadlineMs = startedMs + (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    const dialed = await dial(resolution.addresses.slice(0, MAX_DIALED), target.port, { deadlineMs, signal });
    timings.connectMs = performance.now() - startedMs;
    if (!dialed.ok) return refuse(dialed.failure);
    if (!target.isTls) return { ...dialed, timings };
    const secured = await upgrade(dialed.socket, target.hostname, { deadlineMs, signal });
    timings.tlsMs = performance.now() - startedMs - timings.connectMs;
    return { ...secured, timings };
  };
}

async function addressesOf(
  target: Target,
  { policy, resolve }: ConnectorOptions,
  timings: ConnectTimings,
): Promise<Resolution> {
  const literal = literalAddressOf(target.hostname);
  if (literal !== null) return { ok: true, addresses: [literal] };
  if (target.hostname === 'localhost') return localhost(policy);
  const startedMs = performance.now();
  const resolution = await resolve(target.hostname);
  timings.dnsMs = performance.now() - startedMs;
  return resolution;
}

function localhost(policy: EgressPolicy): Resolution {
  const addresses = localhostAddresses(policy);
  if (addresses.length > 0) return { ok: true, addresses };
  return { ok: false, failure: failure('destination_not_allowed', 'host_forbidden') };
}

/** The rule that refuses an address, or null. This machine's own addresses are refused even where they are public. */
function createJudge(policy: EgressPolicy, ownAddresses: readonly string[]): (address: string) => string | null {
  const own = new Set(ownAddresses.map(canonicalAddress));
  return (address) => {
    const judgement = judgeAddress(address, policy);
    if (judgement !== 'allowed') return judgement.refused;
    return own.has(canonicalAddress(address)) && !isNamedByOperator(address, policy) ? 'own_address' : null;
  };
}

function addressesOfThisMachine(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map((entry) => entry.address));
}
