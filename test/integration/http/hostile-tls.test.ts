import { createSecureContext, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SendResult } from '../../../src/domain/send-result.ts';
import type { WebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import { createHostileCertificates, day, type HostileCertificates } from '../../hostile/certificates.ts';
import { answer, type HostileBehaviour, type HostileServer, startHostileServer } from '../../hostile/tcp-server.ts';
import { heapAfterCollection } from '../../support/collect.ts';
import { createTestSender, requestTo, summaryOf } from '../../support/sender.ts';

const servers: HostileServer[] = [];
const senders: WebhookSender[] = [];
let certificates: HostileCertificates;

beforeAll(async () => {
  certificates = await createHostileCertificates();
});

afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const polite: HostileBehaviour = { onRequest: (socket) => socket.write(answer(200)) };

async function start(
  behaviour: HostileBehaviour,
): Promise<{ server: HostileServer; sender: WebhookSender; send: () => Promise<SendResult> }> {
  const server = await startHostileServer(behaviour);
  const sender = createTestSender({ extraCa: certificates.ca, connectTimeoutMs: 500 });
  servers.push(server);
  senders.push(sender);
  return { server, sender, send: () => sender.send(requestTo(`https://localhost:${server.port}/hook`)) };
}

async function expectFailure(tls: TlsOptions, code: string): Promise<void> {
  const { server, send } = await start({ ...polite, tls });
  expect(summaryOf(await send())).toBe(code);
  expect(server.bytesReceived()).toBe(0);
}

describe('certificates', () => {
  it('works with a good one', async () => {
    const { send } = await start({ ...polite, tls: await certificates.issue() });
    expect(summaryOf(await send())).toBe('200');
  });

  it('case 107: refuses a self-signed one, before a byte of the request', () =>
    expectFailure(certificates.selfSigned, 'tls_certificate'));

  it('case 107: refuses one of an unknown authority', async () =>
    expectFailure(await certificates.issueUnknown(), 'tls_certificate'));

  it('case 107: refuses an expired one', async () => {
    await expectFailure(await certificates.issue({ notBefore: day(-9), notAfter: day(-1) }), 'tls_certificate');
  });

  it('case 107: refuses one that is not valid yet', async () => {
    await expectFailure(await certificates.issue({ notBefore: day(1), notAfter: day(9) }), 'tls_certificate');
  });

  it('case 107: refuses one for another name', async () => {
    await expectFailure(await certificates.issue({ dnsNames: ['example.com'] }), 'tls_hostname');
  });

  it('refuses one for a name when the URL has the address', async () => {
    const { send, sender, server } = await start({ ...polite, tls: await certificates.issue() });
    expect(summaryOf(await send())).toBe('200');
    expect(summaryOf(await sender.send(requestTo(`https://127.0.0.1:${server.port}/`)))).toBe('tls_hostname');
  });

  it('verifies although the environment says otherwise', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      await expectFailure(certificates.selfSigned, 'tls_certificate');
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
  });

  it('case 111: asks for the certificate of the host name', async () => {
    const names: string[] = [];
    const right = createSecureContext(await certificates.issue());
    const { send } = await start({
      ...polite,
      tls: {
        ...certificates.selfSigned,
        SNICallback: (name, callback) => {
          names.push(name);
          callback(null, right);
        },
      },
    });
    expect(summaryOf(await send())).toBe('200');
    expect(names).toEqual(['localhost']);
  });
});

describe('protocols', () => {
  it.each(['TLSv1', 'TLSv1.1'] as const)(
    'case 108: refuses a server that speaks nothing newer than %s',
    async (version) => {
      const certificate = await certificates.issue();
      await expectFailure(
        { ...certificate, minVersion: 'TLSv1', maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' },
        'tls_protocol',
      );
    },
  );

  it('case 109: refuses plain HTTP on the TLS port', async () => {
    const { send, server } = await start({
      onConnection: (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    });
    expect(summaryOf(await send())).toBe('tls_protocol');
    expect(server.requests).toEqual([]);
  });

  it('case 110: gives up when the handshake never ends', async () => {
    const { send } = await start({});
    const startedMs = performance.now();
    expect(summaryOf(await send())).toBe('connect_timeout');
    expect(performance.now() - startedMs).toBeLessThan(1_500);
  });

  it('case 113: refuses a server that speaks HTTP/2 only', async () => {
    await expectFailure({ ...(await certificates.issue()), ALPNProtocols: ['h2'] }, 'tls_protocol');
  });

  it('speaks HTTP/1.1 with a server that prefers HTTP/2', async () => {
    const protocols: unknown[] = [];
    const { send } = await start({
      ...polite,
      onConnection: (socket) => protocols.push((socket as TLSSocket).alpnProtocol),
      tls: { ...(await certificates.issue()), ALPNProtocols: ['h2', 'http/1.1'] },
    });
    expect(summaryOf(await send())).toBe('200');
    expect(protocols).toEqual(['http/1.1']);
  });

  it('case 114: says that a client certificate is demanded', async () => {
    const certificate = await certificates.issue();
    const { send } = await start({
      ...polite,
      tls: { ...certificate, requestCert: true, rejectUnauthorized: true, ca: certificates.ca },
    });
    expect(summaryOf(await send())).toBe('tls_client_cert');
  });

  it('reports a server that closes in the middle of the handshake', async () => {
    const { send } = await start({ onConnection: (socket) => socket.once('data', () => socket.destroy()) });
    expect(summaryOf(await send())).toBe('connection_reset');
  });

  it('case 131: sends once more when a TLS receiver closed the idle connection just as we wrote', async () => {
    const { send, server } = await start({
      tls: await certificates.issue(),
      onRequest: (socket, { connection, number }) => {
        if (connection === 1 && number === 2) socket.destroy();
        else socket.write(answer(200));
      },
    });
    await send();
    expect(summaryOf(await send())).toBe('200');
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
  });
});

describe('a receiver with a bad certificate', () => {
  it('case 112: costs no memory and no socket, however often it is called', { timeout: 60_000 }, async () => {
    const { server, sender, send } = await start({ ...polite, tls: certificates.selfSigned });
    const callMany = async (count: number) => {
      for (let done = 0; done < count; done += 10) await Promise.all(Array.from({ length: 10 }, send));
    };
    await callMany(400);
    const before = heapAfterCollection();
    await callMany(1_000);
    const grownBytes = heapAfterCollection() - before;
    expect(server.connections()).toBe(1_400);
    expect(sender.connections()).toEqual({ open: 0, idle: 0 });
    // A leak of one connection's TLS state would be tens of kilobytes each.
    expect(grownBytes).toBeLessThan(4 * 1_048_576);
  });
});
