import { BlockList, isIP } from 'node:net';

/** What the operator allows beyond public HTTPS. */
export interface EgressPolicy {
  /** Address ranges that count as public, e.g. `10.20.0.0/16`. */
  readonly allowCidrs: readonly string[];
  readonly allowHttp: boolean;
  /** Accepts public IP literals as hosts. */
  readonly allowIpLiterals: boolean;
  readonly ports: readonly number[] | '*';
  /** Our own names: `host` refuses it and its subdomains at any port, `host:port` only that port. */
  readonly ownHosts: readonly string[];
}

/** `allowed`, or the name of the rule that refuses (for logs and metrics, never for customers). */
export type AddressJudgement = 'allowed' | { readonly refused: string };

type Rule = readonly [name: string, ...networks: string[]];

const IPV4_REFUSED: readonly Rule[] = [
  ['unspecified', '0.0.0.0/8'],
  ['private', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  ['shared', '100.64.0.0/10'],
  ['loopback', '127.0.0.0/8'],
  ['link_local', '169.254.0.0/16'],
  ['special', '192.0.0.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.175.48.0/24'],
  ['documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
  ['benchmarking', '198.18.0.0/15'],
  ['multicast', '224.0.0.0/4'],
  ['reserved', '240.0.0.0/4'],
  // The Azure platform address lies in ordinary public space, so no range rule catches it.
  ['cloud_platform', '168.63.129.16/32'],
];

/** Only global unicast is ever allowed; these are the exceptions inside it. */
const IPV6_GLOBAL = blockListOf(['2000::/3']);
const IPV6_REFUSED: readonly Rule[] = [
  ['special', '2001::/23', '2620:4f:8000::/48'],
  ['documentation', '2001:db8::/32', '3fff::/20'],
  ['embedded_ipv4', '2002::/16'],
];

const IPV4_RULES = compiled(IPV4_REFUSED);
const IPV6_RULES = compiled(IPV6_REFUSED);
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;
const allowLists = new WeakMap<EgressPolicy, BlockList>();

/** Judges one address: a literal, a DNS answer or the peer of a connection. Mapped IPv6 is judged as the IPv4 address inside. */
export function judgeAddress(address: string, policy: EgressPolicy): AddressJudgement {
  const plain = canonicalAddress(address);
  if (plain === null) return { refused: 'malformed' };
  if (allowListOf(policy).check(plain, familyOf(plain))) return 'allowed';
  return isIP(plain) === 4 ? judgeIpv4(plain) : judgeIpv6(plain);
}

/** Whether the operator named the address: then it may also be given as a literal or as `localhost`. */
export function isNamedByOperator(address: string, policy: EgressPolicy): boolean {
  const plain = canonicalAddress(address);
  return plain !== null && allowListOf(policy).check(plain, familyOf(plain));
}

/** One spelling per address (mapped IPv6 as IPv4), or null for what is not an address; scoped addresses are not. */
export function canonicalAddress(address: string): string | null {
  const family = isIP(address);
  if (family !== 6) return family === 4 ? address : null;
  if (!URL.canParse(`http://[${address}]`)) return null;
  const compressed = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = MAPPED.exec(compressed) ?? [];
  return high === undefined || low === undefined
    ? compressed
    : dotted(Number.parseInt(high, 16), Number.parseInt(low, 16));
}

/** Whether the text is `address/bits` of either family; for checking the configuration at start. */
export function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

function judgeIpv4(address: string): AddressJudgement {
  const rule = IPV4_RULES.find(([, list]) => list.check(address));
  return rule === undefined ? 'allowed' : { refused: rule[0] };
}

function judgeIpv6(address: string): AddressJudgement {
  if (!IPV6_GLOBAL.check(address, 'ipv6')) return { refused: address === '::1' ? 'loopback' : 'not_global' };
  const rule = IPV6_RULES.find(([, list]) => list.check(address, 'ipv6'));
  return rule === undefined ? 'allowed' : { refused: rule[0] };
}

function allowListOf(policy: EgressPolicy): BlockList {
  const known = allowLists.get(policy);
  if (known !== undefined) return known;
  const list = blockListOf(policy.allowCidrs);
  allowLists.set(policy, list);
  return list;
}

function compiled(rules: readonly Rule[]): readonly (readonly [string, BlockList])[] {
  return rules.map(([name, ...networks]) => [name, blockListOf(networks)]);
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
