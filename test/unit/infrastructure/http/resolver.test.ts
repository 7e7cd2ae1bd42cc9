import { describe, expect, it } from 'vitest';
import { createResolver, type DnsClient, type DnsRecord } from '../../../../src/infrastructure/http/resolver.ts';

type Answer = readonly DnsRecord[] | { readonly code: string };

function scene(answers: { v4: Answer; v6: Answer }) {
  let nowMs = 1_000;
  let asked = 0;
  const ask = async (answer: Answer) => {
    asked += 1;
    if ('code' in answer) throw Object.assign(new Error(answer.code), answer);
    return answer;
  };
  const client: DnsClient = { resolve4: () => ask(answers.v4), resolve6: () => ask(answers.v6) };
  const resolve = createResolver({ servers: [], client, now: () => nowMs });
  return { resolve, asked: () => asked, pass: (ms: number) => (nowMs += ms), answers };
}

const NOT_FOUND = { code: 'ENOTFOUND' };
const NO_DATA = { code: 'ENODATA' };

describe('createResolver', () => {
  it('gives the addresses of both families, IPv4 first', async () => {
    const { resolve } = scene({ v4: [{ address: '1.1.1.1', ttl: 9 }], v6: [{ address: '2606::1', ttl: 9 }] });
    expect(await resolve('a.com')).toEqual({ ok: true, addresses: ['1.1.1.1', '2606::1'] });
  });

  it.each([
    ['no family knows the name', NOT_FOUND, NOT_FOUND, 'dns_not_found'],
    ['neither family has an address', NO_DATA, NO_DATA, 'dns_not_found'],
    ['an empty answer', [], [], 'dns_not_found'],
    ['one family failed', NO_DATA, { code: 'ESERVFAIL' }, 'dns_failed'],
    ['one family timed out', { code: 'ESERVFAIL' }, { code: 'ETIMEOUT' }, 'dns_timeout'],
    ['a name server that refuses connections', { code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }, 'dns_failed'],
    ['a garbled answer', { code: 'EBADRESP' }, { code: 'EBADRESP' }, 'dns_failed'],
  ] as const)('fails when there is %s', async (_, v4, v6, code) => {
    expect(await scene({ v4, v6 }).resolve('a.com')).toMatchObject({ ok: false, failure: { code } });
  });

  it('does with one family when the other fails', async () => {
    const { resolve } = scene({ v4: [{ address: '1.1.1.1', ttl: 9 }], v6: { code: 'ESERVFAIL' } });
    expect(await resolve('a.com')).toEqual({ ok: true, addresses: ['1.1.1.1'] });
  });

  it.each([
    ['a time to live of 0 as one second', 0, 1_000],
    ['a time to live of 30 seconds as it is', 30, 30_000],
    ['a time to live of a day as one minute', 86_400, 60_000],
  ])('takes %s', async (_, ttl, keptMs) => {
    const { resolve, asked, pass } = scene({ v4: [{ address: '1.1.1.1', ttl }], v6: NO_DATA });
    await resolve('a.com');
    pass(keptMs - 1);
    await resolve('a.com');
    expect(asked()).toBe(2);
    pass(1);
    await resolve('a.com');
    expect(asked()).toBe(4);
  });

  it('keeps a failure for one second', async () => {
    const { resolve, asked, pass, answers } = scene({ v4: NOT_FOUND, v6: NOT_FOUND });
    await resolve('a.com');
    answers.v4 = [{ address: '1.1.1.1', ttl: 9 }];
    pass(999);
    expect((await resolve('a.com')).ok).toBe(false);
    pass(1);
    expect((await resolve('a.com')).ok).toBe(true);
    expect(asked()).toBe(4);
  });

  it('asks once for all who ask at once', async () => {
    const { resolve, asked } = scene({ v4: [{ address: '1.1.1.1', ttl: 9 }], v6: NO_DATA });
    await Promise.all([resolve('a.com'), resolve('a.com'), resolve('b.com')]);
    expect(asked()).toBe(4);
  });

  it('forgets the oldest of ten thousand names', async () => {
    const { resolve, asked } = scene({ v4: [{ address: '1.1.1.1', ttl: 60 }], v6: NO_DATA });
    for (let index = 0; index <= 10_000; index += 1) await resolve(`${index}.com`);
    const before = asked();
    await resolve('10000.com');
    expect(asked()).toBe(before);
    await resolve('0.com');
    expect(asked()).toBe(before + 2);
  });
});
