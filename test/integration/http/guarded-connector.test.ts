import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EgressPolicy } from '../../../src/domain/address-policy.ts';
import { createGuardedConnector } from '../../../src/infrastructure/http/guarded-connector.ts';
import { type HostileServer, startHostileServer } from '../../hostile/tcp-server.ts';

const LOOSE: EgressPolicy = { allowCidrs: [], allowHttp: true, allowIpLiterals: true, ports: '*', ownHosts: [] };
const signal = new AbortController().signal;
let target: HostileServer;

beforeAll(async () => {
  target = await startHostileServer({});
});

afterAll(() => target.close());

function connectTo(hostname: string, policy: EgressPolicy, answers: readonly string[] = []) {
  const connect = createGuardedConnector({
    policy,
    resolve: async () => ({ ok: true, addresses: answers }),
    ownAddresses: [],
  });
  const origin = `http://${hostname}:${target.port}`;
  return connect({ origin, isTls: false, hostname, port: target.port }, signal);
}

describe('the connector by itself, without the check of the URL', () => {
  it.each(['127.0.0.1', '[::1]', '[::ffff:7f00:1]', '10.0.0.5', '169.254.169.254', 'localhost'])(
    'refuses %s and dials nothing',
    async (hostname) => {
      const before = target.connections();
      expect(await connectTo(hostname, LOOSE)).toMatchObject({
        ok: false,
        failure: { code: 'destination_not_allowed' },
      });
      expect(target.connections()).toBe(before);
    },
  );

  it.each([[['127.0.0.1']], [['::ffff:127.0.0.1']], [['8.8.8.8', '127.0.0.1']], [['not an address']]])(
    'refuses a name with the answers %j',
    async (answers) => {
      const before = target.connections();
      expect(await connectTo('hook.acme.com', LOOSE, answers)).toMatchObject({
        ok: false,
        failure: { code: 'destination_not_allowed' },
      });
      expect(target.connections()).toBe(before);
    },
  );

  it('connects to what the operator named, and writes nothing of its own', async () => {
    const connected = await connectTo('127.0.0.1', { ...LOOSE, allowCidrs: ['127.0.0.0/8'] });
    expect(connected).toMatchObject({ ok: true });
    if (connected.ok) connected.socket.destroy();
    expect(target.bytesReceived()).toBe(0);
  });

  it('gives up when it is told to', async () => {
    const connect = createGuardedConnector({
      policy: { ...LOOSE, allowCidrs: ['127.0.0.0/8'] },
      resolve: async () => ({ ok: true, addresses: [] }),
    });
    const controller = new AbortController();
    const pending = connect({ origin: 'x', isTls: true, hostname: '127.0.0.1', port: target.port }, controller.signal);
    setTimeout(() => controller.abort(), 50);
    expect(await pending).toMatchObject({ ok: false, failure: { detail: 'secureConnect_aborted' } });
  });
});
