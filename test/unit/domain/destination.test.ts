import { describe, expect, it } from 'vitest';
import type { EgressPolicy } from '../../../src/domain/address-policy.ts';
import { checkUrl, NOT_ALLOWED_MESSAGE } from '../../../src/domain/destination.ts';
import { OWN_HOSTS, REFUSED_URLS } from '../../hostile/url-cases.ts';

const POLICY: EgressPolicy = {
  allowCidrs: [],
  allowHttp: false,
  allowIpLiterals: false,
  ports: [443, 8443],
  ownHosts: OWN_HOSTS,
};

describe('checkUrl with the default policy', () => {
  it.each(REFUSED_URLS)('case %i: refuses %j with %s', (_, url, code, detail) => {
    expect(checkUrl(url, POLICY)).toMatchObject({ ok: false, code, detail });
  });

  it('says the same neutral sentence for every host and address', () => {
    const messages = REFUSED_URLS.filter(([, , code]) => code === 'destination_not_allowed').map(([, url]) => {
      const check = checkUrl(url, POLICY);
      return check.ok ? 'accepted' : check.message;
    });
    expect(new Set(messages)).toEqual(new Set([NOT_ALLOWED_MESSAGE]));
  });

  it.each([
    [57, 'https://kafka.default/', 'https://kafka.default/'],
    [58, 'https://127.0.0.1.nip.io/', 'https://127.0.0.1.nip.io/'],
    [58, 'https://localtest.me/', 'https://localtest.me/'],
    [63, 'https://аррӏе.com/hook', 'https://xn--80ak6aa92e.com/hook'],
    [63, 'https://пример。рф/', 'https://xn--e1afmkfd.xn--p1ai/'],
    [73, 'https://example.com?@127.0.0.1/', 'https://example.com/?@127.0.0.1/'],
    [79, 'https://example.com/%0d%0aX-Evil:1', 'https://example.com/%0d%0aX-Evil:1'],
    [83, 'HTTPS://EXAMPLE.COM/', 'https://example.com/'],
    [86, 'https://example.com:443/a', 'https://example.com/a'],
    [86, 'https://example.com:0443/a', 'https://example.com/a'],
    [87, 'https://example.com:8443/a', 'https://example.com:8443/a'],
    [59, 'https://proxy.acme.com/', 'https://proxy.acme.com/'],
    [59, 'https://notposthorn.acme.com/', 'https://notposthorn.acme.com/'],
  ])('case %i: accepts %s as %s', (_, url, expected) => {
    expect(checkUrl(url, POLICY)).toEqual({ ok: true, url: expected });
  });

  it.each([
    'https://api.yourcompany.com/webhooks/screening?a=b&c=d',
    'https://mail.google.com',
    'https://xn--mnchen-3ya.de/',
    'https://a-b.c1.io/~x/(y)',
  ])('accepts %s', (url) => {
    expect(checkUrl(url, POLICY)).toMatchObject({ ok: true });
  });

  it('case 59: refuses the port of an own host that is named with one', () => {
    expect(checkUrl('https://proxy.acme.com:8443/', POLICY)).toMatchObject({ ok: false, detail: 'own_host' });
  });

  it.each(['https://☃.net/', 'https://example.com/é', ''])('refuses %j as invalid text', (url) => {
    expect(checkUrl(url, POLICY)).toMatchObject({ ok: false, code: 'url_invalid' });
  });

  it('accepts its own answers again, unchanged', () => {
    const first = checkUrl('HTTPS://Пример.рф:443/a b'.replace(' ', '%20'), POLICY);
    expect(first).toMatchObject({ ok: true });
    if (first.ok) expect(checkUrl(first.url, POLICY)).toEqual(first);
  });
});

describe('checkUrl with loosened policies', () => {
  it('case 21 and 49: accepts public literals when the operator allows literals, and only public ones', () => {
    const policy = { ...POLICY, allowIpLiterals: true };
    expect(checkUrl('https://172.32.0.1/', policy)).toMatchObject({ ok: true });
    expect(checkUrl('https://[2606:4700:4700::1111]/', policy)).toMatchObject({ ok: true });
    expect(checkUrl('https://127.0.0.1/', policy)).toMatchObject({ ok: false, detail: 'address_loopback' });
  });

  it('accepts addresses that the operator named, as literals and as localhost', () => {
    const policy = { ...POLICY, allowCidrs: ['127.0.0.0/8'] };
    expect(checkUrl('https://127.0.0.1:8443/', policy)).toEqual({ ok: true, url: 'https://127.0.0.1:8443/' });
    expect(checkUrl('https://localhost/', policy)).toEqual({ ok: true, url: 'https://localhost/' });
    for (const host of ['[::1]', '10.0.0.1', 'foo.localhost', 'localhost.', 'localhost.localdomain']) {
      expect(checkUrl(`https://${host}/`, policy)).toMatchObject({ ok: false, code: 'destination_not_allowed' });
    }
  });

  it('accepts localhost when only its IPv6 address was named', () => {
    expect(checkUrl('https://localhost/', { ...POLICY, allowCidrs: ['::1/128'] })).toMatchObject({ ok: true });
    expect(checkUrl('https://localhost/', { ...POLICY, allowCidrs: ['10.0.0.0/8'] })).toMatchObject({ ok: false });
  });

  it('case 140: still refuses the own port on an allowed localhost', () => {
    const policy: EgressPolicy = { ...POLICY, allowCidrs: ['127.0.0.0/8'], ports: '*', ownHosts: ['localhost:8080'] };
    expect(checkUrl('https://localhost:8080/', policy)).toMatchObject({ ok: false, detail: 'own_host' });
    expect(checkUrl('https://localhost:8443/', policy)).toMatchObject({ ok: true });
  });

  it('case 81: accepts plain HTTP, on port 80 too, when the operator allows it', () => {
    const policy = { ...POLICY, allowHttp: true };
    expect(checkUrl('http://example.com/', policy)).toEqual({ ok: true, url: 'http://example.com/' });
    expect(checkUrl('https://example.com:80/', policy)).toMatchObject({ ok: false, code: 'url_port' });
    expect(checkUrl('ftp://example.com/', policy)).toMatchObject({ ok: false, code: 'url_scheme' });
  });

  it('case 84: accepts any port but 0 when the operator allows all', () => {
    const policy: EgressPolicy = { ...POLICY, ports: '*' };
    expect(checkUrl('https://example.com:22/', policy)).toMatchObject({ ok: true });
    expect(checkUrl('https://example.com:0/', policy)).toMatchObject({ ok: false, code: 'url_port' });
  });
});
