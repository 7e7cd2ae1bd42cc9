import { afterEach, describe, expect, it } from 'vitest';
import type { SendResult } from '../../../src/domain/send-result.ts';
import type { WebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import type { DnsReply } from '../../hostile/dns-message.ts';
import { type DnsServer, type DnsZone, startDnsServer } from '../../hostile/dns-server.ts';
import { answer, type HostileServer, startHostileServer } from '../../hostile/tcp-server.ts';
import { createTestSender, requestTo, summaryOf } from '../../support/sender.ts';
import { waitUntil } from '../../support/wait-until.ts';

/** Loopback is let in, so these play the part of public addresses. */
const PUBLIC = '127.0.0.1';
const OTHER_PUBLIC = '127.0.0.2';
const PRIVATE = '10.0.0.5';

const closers: (() => Promise<void>)[] = [];

interface Scene {
  readonly dns: DnsServer;
  readonly server: HostileServer;
  readonly sender: WebhookSender;
  readonly send: (host?: string) => Promise<SendResult>;
}

async function start(
  zone: DnsZone,
  { ownAddresses = [], headers = [] }: { ownAddresses?: readonly string[]; headers?: readonly string[] } = {},
): Promise<Scene> {
  const server = await startHostileServer({ onRequest: (socket) => socket.write(answer(200, '', headers)) });
  const dns = await startDnsServer(zone);
  const sender = createTestSender({ dnsServers: [dns.address], ownAddresses });
  closers.push(sender.close, server.close, dns.close);
  return {
    dns,
    server,
    sender,
    send: (host = 'hook.acme.com') => sender.send(requestTo(`http://${host}:${server.port}/`)),
  };
}

const addresses = (...list: readonly string[]): DnsReply => ({ kind: 'addresses', addresses: list });

async function expectBlocked(reply: DnsReply, rule: string): Promise<void> {
  const { server, send } = await start(() => reply);
  expect(await send()).toMatchObject({ kind: 'failed', code: 'destination_not_allowed', detail: rule });
  expect(server.connections()).toBe(0);
}

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe('answers of name servers', () => {
  it('works with a public address and asks for both families of the name as it is', async () => {
    const { dns, send } = await start(() => addresses(PUBLIC));
    const result = await send();
    expect(summaryOf(result)).toBe('200');
    expect(result.timings.dnsUs).toBeGreaterThan(0);
    expect(dns.questions.map(({ name, type }) => `${name} ${type}`).toSorted()).toEqual([
      'hook.acme.com A',
      'hook.acme.com AAAA',
    ]);
  });

  it('case 57: asks for the absolute name only, never below a search domain', async () => {
    const { dns, send } = await start(() => ({ kind: 'error', code: 'NXDOMAIN' }));
    expect(summaryOf(await send('kafka.default'))).toBe('dns_not_found');
    expect(new Set(dns.questions.map(({ name }) => name))).toEqual(new Set(['kafka.default']));
  });

  it('case 58: refuses a public name with a private address', () =>
    expectBlocked(addresses(PRIVATE), 'address_private'));

  it('case 96: judges the second answer too, and never connects to a private one', async () => {
    let isRebound = false;
    const zone = () => addresses(isRebound ? PRIVATE : PUBLIC);
    const { server, send } = await start(zone, { headers: ['connection: close'] });
    expect(summaryOf(await send())).toBe('200');
    isRebound = true;
    // The good answer may be used for one second more, time to live 0 or not.
    const result = await waitUntil(
      async () => {
        const next = await send();
        return next.kind === 'failed' ? next : null;
      },
      { timeoutMs: 5_000, what: 'the second answer counted' },
    );
    expect(result).toMatchObject({ code: 'destination_not_allowed', detail: 'address_private' });
    const connections = server.connections();
    expect(summaryOf(await send())).toBe('destination_not_allowed');
    expect(server.connections()).toBe(connections);
  });

  it('case 97: refuses all when one of two is private', () =>
    expectBlocked(addresses(PUBLIC, PRIVATE), 'address_private'));

  it('case 98: refuses all when the IPv6 answer is private', () =>
    expectBlocked(addresses(PUBLIC, 'fd00::1'), 'address_not_global'));

  it('case 99: judges the end of a chain of aliases', async () => {
    await expectBlocked(
      { kind: 'alias', names: ['a.acme.com', 'db.internal'], addresses: [PRIVATE] },
      'address_private',
    );
    const { send } = await start(() => ({
      kind: 'alias',
      names: ['a.acme.com', 'b.acme.com'],
      addresses: [PUBLIC],
    }));
    expect(summaryOf(await send())).toBe('200');
  });

  it('case 100: fails on a loop of aliases', async () => {
    const { send } = await start(({ name }) => ({ kind: 'alias', names: ['b.acme.com', name], addresses: [] }));
    expect(summaryOf(await send())).toMatch(/^dns_/);
  });

  it.each([
    ['NXDOMAIN', 'dns_not_found'],
    ['SERVFAIL', 'dns_failed'],
    ['REFUSED', 'dns_failed'],
  ] as const)('case 101: fails on %s', async (code, expected) => {
    const { send } = await start(() => ({ kind: 'error', code }));
    expect(summaryOf(await send())).toBe(expected);
  });

  it('case 101: fails on an empty answer', async () => {
    const { send } = await start(() => addresses());
    expect(summaryOf(await send())).toBe('dns_not_found');
  });

  it('case 102: gives up on a silent name server within four seconds', async () => {
    const { send } = await start(() => ({ kind: 'silence' }));
    const startedMs = performance.now();
    expect(summaryOf(await send())).toBe('dns_timeout');
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });

  it('case 103: judges all of 200 addresses', async () => {
    const many = Array.from({ length: 199 }, (_, index) => `127.0.1.${index + 1}`);
    await expectBlocked(addresses(PUBLIC, ...many, PRIVATE), 'address_private');
    const { send } = await start(() => addresses(PUBLIC, ...many));
    expect(summaryOf(await send())).toBe('200');
  });

  it.each([
    ['0.0.0.0', 'address_unspecified'],
    ['::', 'address_not_global'],
    ['::ffff:a00:5', 'address_private'],
    ['169.254.169.254', 'address_link_local'],
    ['168.63.129.16', 'address_cloud_platform'],
  ])('case 104: refuses the answer %s', (address, rule) => expectBlocked(addresses(address), rule));

  it('case 105: goes on using a connection to a good address, and judges anew for a new one', async () => {
    let isRebound = false;
    const { send, server } = await start(() => addresses(isRebound ? PRIVATE : PUBLIC));
    await send();
    isRebound = true;
    expect(summaryOf(await send())).toBe('200');
    expect(server.connections()).toBe(1);
  });

  it("case 106: refuses this machine's own public address", async () => {
    const { send } = await start(() => addresses('93.184.216.34'), { ownAddresses: ['93.184.216.34'] });
    expect(await send()).toMatchObject({ code: 'destination_not_allowed', detail: 'address_own_address' });
  });

  it('tries the next address when the first does not answer', async () => {
    const { send, server } = await start(() => addresses(OTHER_PUBLIC, PUBLIC));
    expect(summaryOf(await send())).toBe('200');
    expect(server.connections()).toBe(1);
  });
});

describe('the cache of names', () => {
  it('asks once for many connections within the time to live', async () => {
    const { dns, send } = await start(() => ({ kind: 'addresses', addresses: [PUBLIC], ttl: 30 }));
    await Promise.all(Array.from({ length: 20 }, () => send()));
    expect(dns.questions.length).toBe(2);
  });
});
