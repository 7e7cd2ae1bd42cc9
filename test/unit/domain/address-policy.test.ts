import { describe, expect, it } from 'vitest';
import { canonicalAddress, type EgressPolicy, isCidr, judgeAddress } from '../../../src/domain/address-policy.ts';

const POLICY: EgressPolicy = {
  allowCidrs: [],
  allowHttp: false,
  allowIpLiterals: false,
  ports: [443, 8443],
  ownHosts: [],
};

/** First and last address of every refused range, and the neighbours just outside that must stay open. */
const REFUSED: readonly (readonly [rule: string, ...addresses: string[]])[] = [
  ['unspecified', '0.0.0.0', '0.255.255.255'],
  ['private', '10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
  ['shared', '100.64.0.0', '100.127.255.255', '100.100.100.200'],
  ['loopback', '127.0.0.0', '127.255.255.255', '::1'],
  ['link_local', '169.254.0.0', '169.254.169.254', '169.254.170.2', '169.254.255.255'],
  ['special', '192.0.0.0', '192.0.0.192', '192.0.0.255', '192.31.196.1', '192.52.193.1', '192.88.99.1', '192.175.48.1'],
  ['special', '2001::', '2001:0:7f00:1::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', '2620:4f:8000::1'],
  ['documentation', '192.0.2.1', '198.51.100.1', '203.0.113.255', '2001:db8::1', '3fff::1', '3fff:fff:ffff::1'],
  ['benchmarking', '198.18.0.0', '198.19.255.255'],
  ['multicast', '224.0.0.0', '239.255.255.255'],
  ['reserved', '240.0.0.0', '255.255.255.255'],
  ['cloud_platform', '168.63.129.16'],
  ['embedded_ipv4', '2002::', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2002:ffff:ffff::1'],
  ['not_global', '::', '::7f00:1', '::ffff:0:7f00:1', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '100::1', '100:0:0:1::1'],
  ['not_global', '1::1', '4000::1', '5f00::1', '8000::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fec0::1', 'ff02::1'],
  ['malformed', '', 'localhost', '127.1', '0x7f000001', '::g', 'fe80::1%eth0', '1.2.3.4.5', '256.1.1.1', ' 8.8.8.8'],
];

const ALLOWED = `
  1.0.0.0 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
  169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 168.63.129.15
  168.63.129.17 198.17.255.255 198.20.0.0 223.255.255.255 93.184.216.34 2000::1 2001:200::1 2001:db7::1
  2003::1 2606:4700:4700::1111 2620:4f:8001::1 3ffe::1 3fff:1000::1
`
  .trim()
  .split(/\s+/);

describe('judgeAddress', () => {
  const refused = REFUSED.flatMap(([rule, ...addresses]) => addresses.map((address) => [address, rule] as const));

  it.each(refused)('refuses %j as %s', (address, rule) => {
    expect(judgeAddress(address, POLICY)).toEqual({ refused: rule });
  });

  it.each(ALLOWED)('allows %s', (address) => {
    expect(judgeAddress(address, POLICY)).toBe('allowed');
  });

  it.each([
    ['::ffff:127.0.0.1', 'loopback'],
    ['::FFFF:7f00:1', 'loopback'],
    ['0:0:0:0:0:ffff:a9fe:a9fe', 'link_local'],
    ['::ffff:168.63.129.16', 'cloud_platform'],
  ])('judges the mapped form %s as the address inside', (address, rule) => {
    expect(judgeAddress(address, POLICY)).toEqual({ refused: rule });
  });

  it('allows the mapped form of a public address', () => {
    expect(judgeAddress('::ffff:8.8.8.8', POLICY)).toBe('allowed');
  });

  it('allows what the operator named, in every spelling, and nothing beside it', () => {
    const policy = { ...POLICY, allowCidrs: ['10.1.0.0/16', 'fd00::/8'] };
    expect(judgeAddress('10.1.2.3', policy)).toBe('allowed');
    expect(judgeAddress('::ffff:10.1.2.3', policy)).toBe('allowed');
    expect(judgeAddress('fd12::1', policy)).toBe('allowed');
    expect(judgeAddress('10.2.0.1', policy)).toEqual({ refused: 'private' });
    expect(judgeAddress('fe80::1', policy)).toEqual({ refused: 'not_global' });
  });
});

describe('canonicalAddress', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2606:4700:4700:0:0:0:0:1111', '2606:4700:4700::1111'],
    ['::ffff:192.168.0.1', '192.168.0.1'],
    ['::ffff:102:304', '1.2.3.4'],
    ['fe80::1%eth0', null],
    ['example.com', null],
  ])('spells %s as %s', (address, expected) => {
    expect(canonicalAddress(address)).toBe(expected);
  });
});

describe('isCidr', () => {
  it.each(['10.0.0.0/8', '127.0.0.1/32', '0.0.0.0/0', '::1/128', 'fd00::/8'])('takes %s', (text) => {
    expect(isCidr(text)).toBe(true);
  });

  it.each(['', '10.0.0.0', '10.0.0.0/33', '10.0.0/8', '::1/129', 'a/8', '10.0.0.0/8/8', '10.0.0.0/-1', '10.0.0.0/'])(
    'refuses %j',
    (text) => {
      expect(isCidr(text)).toBe(false);
    },
  );
});
