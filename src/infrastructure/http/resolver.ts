import { Resolver } from 'node:dns/promises';
import { dnsFailureOf, type Failure, failure } from './failure-codes.ts';

/** One DNS answer. */
export interface DnsRecord {
  readonly address: string;
  /** Seconds that the answer may be kept. */
  readonly ttl: number;
}

/** The two questions that are asked about a name; node's `Resolver` fits. */
export interface DnsClient {
  resolve4(hostname: string, options: { ttl: true }): Promise<readonly DnsRecord[]>;
  resolve6(hostname: string, options: { ttl: true }): Promise<readonly DnsRecord[]>;
}

/** All addresses of a name, IPv4 first, or why there are none. */
export type Resolution =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | { readonly ok: false; readonly failure: Failure };

/** Resolves host names; never rejects. */
export type ResolveHost = (hostname: string) => Promise<Resolution>;

interface CacheEntry {
  readonly resolution: Promise<Resolution>;
  expiresAtMs: number;
}

const TIMEOUT_MS = 2_000;
const MIN_TTL_SECONDS = 1;
const MAX_TTL_SECONDS = 60;
const MAX_NAMES = 10_000;

/**
 * A resolver of our own instead of the system's: c-ares asks for the absolute name only, so that `/etc/hosts`, search
 * domains and mDNS cannot lead inside, and does not occupy the thread pool. Answers are kept for their TTL, 1 to 60 s,
 * failures for 1 s; the addresses must be judged at every use.
 */
export function createResolver(options: {
  servers: readonly string[];
  client?: DnsClient;
  now?: () => number;
}): ResolveHost {
  const client = options.client ?? createClient(options.servers);
  const now = options.now ?? (() => performance.now());
  const cache = new Map<string, CacheEntry>();
  return (hostname) => {
    const known = cache.get(hostname);
    if (known !== undefined && known.expiresAtMs > now()) return known.resolution;
    const answer = resolveBoth(client, hostname);
    const entry: CacheEntry = {
      resolution: answer.then(({ resolution }) => resolution),
      expiresAtMs: Number.POSITIVE_INFINITY,
    };
    cache.delete(hostname);
    cache.set(hostname, entry);
    dropOldest(cache);
    return answer.then(({ resolution, ttlSeconds }) => {
      entry.expiresAtMs = now() + ttlSeconds * 1000;
      return resolution;
    });
  };
}

function createClient(servers: readonly string[]): DnsClient {
  // Two tries inside our own limit of 2 s per question.
  const resolver = new Resolver({ timeout: TIMEOUT_MS / 2, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  return resolver;
}

async function resolveBoth(
  client: DnsClient,
  hostname: string,
): Promise<{ resolution: Resolution; ttlSeconds: number }> {
  const answers = await Promise.allSettled([
    withinTimeout(() => client.resolve4(hostname, { ttl: true })),
    withinTimeout(() => client.resolve6(hostname, { ttl: true })),
  ]);
  const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (records.length === 0)
    return { resolution: { ok: false, failure: worstFailure(answers) }, ttlSeconds: MIN_TTL_SECONDS };
  const ttl = Math.min(...records.map((record) => record.ttl));
  const ttlSeconds = Math.min(Math.max(ttl, MIN_TTL_SECONDS), MAX_TTL_SECONDS);
  return { resolution: { ok: true, addresses: records.map((record) => record.address) }, ttlSeconds };
}

/** A name that one family does not know may have failed in the other: only two "no such name" make it unknown. */
function worstFailure(answers: readonly PromiseSettledResult<unknown>[]): Failure {
  const failures = answers.map((answer) =>
    answer.status === 'rejected' ? dnsFailureOf(answer.reason) : failure('dns_not_found', 'empty'),
  );
  const rank = (found: Failure) => ['dns_not_found', 'dns_failed', 'dns_timeout'].indexOf(found.code);
  return failures.reduce((worst, next) => (rank(next) > rank(worst) ? next : worst));
}

async function withinTimeout<T>(ask: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })), TIMEOUT_MS);
  });
  try {
    return await Promise.race([ask(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function dropOldest(cache: Map<string, CacheEntry>): void {
  if (cache.size <= MAX_NAMES) return;
  const oldest = cache.keys().next().value;
  if (oldest !== undefined) cache.delete(oldest);
}
