import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EgressPolicy } from '../../../src/domain/address-policy.ts';
import { createWebhookSender, type WebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import { type DnsServer, startDnsServer } from '../../hostile/dns-server.ts';
import { type HostileServer, startHostileServer } from '../../hostile/tcp-server.ts';
import { OWN_HOSTS, REFUSED_URLS } from '../../hostile/url-cases.ts';
import { requestTo } from '../../support/sender.ts';

const DEFAULTS: EgressPolicy = {
  allowCidrs: [],
  allowHttp: false,
  allowIpLiterals: false,
  ports: [443, 8443],
  ownHosts: OWN_HOSTS,
};
/** So loose that only the rules for addresses are left. */
const LOOSE: EgressPolicy = { allowCidrs: [], allowHttp: true, allowIpLiterals: true, ports: '*', ownHosts: [] };

let dns: DnsServer;
let target: HostileServer;
let strict: WebhookSender;
let loose: WebhookSender;

beforeAll(async () => {
  dns = await startDnsServer(() => ({ kind: 'addresses', addresses: ['127.0.0.1'] }));
  target = await startHostileServer({});
  const options = { dnsServers: [dns.address], connectTimeoutMs: 300 };
  strict = createWebhookSender({ ...options, policy: DEFAULTS });
  loose = createWebhookSender({ ...options, policy: LOOSE });
});

afterAll(async () => {
  await strict.close();
  await loose.close();
  await target.close();
  await dns.close();
});

describe('URLs written past the check', () => {
  it.each(REFUSED_URLS)(
    'case %i: an attempt at %j is refused, nothing is resolved and nothing is dialed',
    async (_, url) => {
      const asked = dns.questions.length;
      const result = await strict.send(requestTo(url));
      expect(result).toMatchObject({ kind: 'failed', code: 'destination_not_allowed' });
      expect(result.timings).toEqual({ dnsUs: null, connectUs: null, tlsUs: null, firstByteUs: null, totalUs: 0 });
      expect(dns.questions.length).toBe(asked);
    },
  );
});

describe('addresses that slip through every other setting', () => {
  const spellings = [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '0',
    'localhost',
  ];

  it.each(spellings)('refuses to dial %s', async (host) => {
    const result = await loose.send(requestTo(`http://${host}:${target.port}/`));
    expect(result).toMatchObject({ kind: 'failed', code: 'destination_not_allowed' });
    expect(target.connections()).toBe(0);
  });

  it('refuses a public name that leads to loopback', async () => {
    const result = await loose.send(requestTo(`http://localtest.me:${target.port}/`));
    expect(result).toMatchObject({ kind: 'failed', code: 'destination_not_allowed', detail: 'address_loopback' });
    expect(target.connections()).toBe(0);
  });

  it('says nothing about what lies behind a name', async () => {
    const results = await Promise.all(
      ['localtest.me', '127.0.0.1', 'foo.localhost'].map((host) => loose.send(requestTo(`http://${host}/`))),
    );
    const messages = results.map((result) => (result.kind === 'failed' ? result.message : 'answered'));
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).not.toMatch(/\d/);
  });
});
