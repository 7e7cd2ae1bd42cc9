import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { SendResult } from '../../../src/domain/send-result.ts';
import type { WebhookSender } from '../../../src/infrastructure/http/webhook-sender.ts';
import { answer, type HostileBehaviour, type HostileServer, startHostileServer } from '../../hostile/tcp-server.ts';
import { heapAfterCollection } from '../../support/collect.ts';
import { createTestSender, requestTo, summaryOf } from '../../support/sender.ts';
import { waitUntil } from '../../support/wait-until.ts';

const servers: HostileServer[] = [];
const senders: WebhookSender[] = [];

async function start(behaviour: HostileBehaviour): Promise<{
  server: HostileServer;
  sender: WebhookSender;
  send: (timeoutMs?: number, body?: Buffer) => Promise<SendResult>;
}> {
  const server = await startHostileServer(behaviour);
  const sender = createTestSender({ bodyTimeMs: 400 });
  servers.push(server);
  senders.push(sender);
  return {
    server,
    sender,
    send: (timeoutMs = 5_000, body = Buffer.from('{}')) =>
      sender.send(requestTo(`http://localhost:${server.port}/hook`, { timeoutMs, body })),
  };
}

/** Answers every request with these bytes. */
const always = (bytes: string | Buffer): HostileBehaviour => ({ onRequest: (socket) => socket.write(bytes) });

const repeat = (everyMs: number, write: (socket: Socket) => void): HostileBehaviour => ({
  onRequest: (socket) => {
    const timer = setInterval(() => write(socket), everyMs);
    socket.on('close', () => clearInterval(timer));
  },
});

afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe('redirects', () => {
  it.each([301, 302, 307, 308])('case 115: reports %i and contacts nobody else', async (status) => {
    const target = await startHostileServer(always(answer(200)));
    servers.push(target);
    const { send } = await start(always(answer(status, '', [`location: http://localhost:${target.port}/`])));
    const result = await send();
    expect(result).toMatchObject({ kind: 'responded', status });
    expect(target.connections()).toBe(0);
  });
});

describe('slow receivers', () => {
  const TIMEOUT_MS = 500;

  async function expectTimeout(behaviour: HostileBehaviour, body = Buffer.from('{}')): Promise<void> {
    const { sender, send } = await start(behaviour);
    const startedMs = performance.now();
    const result = await send(TIMEOUT_MS, body);
    const tookMs = performance.now() - startedMs;
    expect(summaryOf(result)).toBe('timeout');
    expect(tookMs).toBeGreaterThan(TIMEOUT_MS - 20);
    expect(tookMs).toBeLessThan(TIMEOUT_MS + 1_000);
    expect(sender.connections()).toEqual({ open: 0, idle: 0 });
  }

  it('case 116: gives up on one that never answers, at the deadline', () => expectTimeout({}));

  it('case 117: gives up on one that sends header lines for ever', async () => {
    await expectTimeout({
      onRequest: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        const timer = setInterval(() => socket.write('x: y\r\n'), 50);
        socket.on('close', () => clearInterval(timer));
      },
    });
  });

  it('case 118: gives up on one that sends 1xx answers for ever', () =>
    expectTimeout(repeat(5, (socket) => socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'))));

  it('gives up on one that never reads the request', async () => {
    await expectTimeout({ onConnection: (socket) => socket.pause() }, Buffer.alloc(8_000_000, 'a'));
  });
});

describe('odd heads', () => {
  it.each([
    [119, 'a header of 200 kB', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`, 'response_headers'],
    [
      125,
      'an upgrade',
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
      'response_protocol',
    ],
    [126, 'the banner of an SSH server', 'SSH-2.0-OpenSSH_9.6\r\n', 'response_protocol'],
    [126, 'an HTTP/0.9 answer', '<html>hello</html>\r\n\r\n', 'response_protocol'],
    [127, 'two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc', 'response_protocol'],
    [
      127,
      'a length and chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
      'response_protocol',
    ],
    [127, 'a 204 with a body', 'HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nabc', 'response_protocol'],
    [128, 'status 099', 'HTTP/1.1 099 Odd\r\ncontent-length: 0\r\n\r\n', 'response_protocol'],
    [128, 'status 600', 'HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n', 'response_protocol'],
    [128, 'status 999', 'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n', 'response_protocol'],
    [128, 'a status of four digits', 'HTTP/1.1 2000 Odd\r\ncontent-length: 0\r\n\r\n', 'response_protocol'],
  ])('case %i: fails on %s', async (_, __, bytes, code) => {
    const { send, server } = await start(always(bytes));
    expect(summaryOf(await send())).toBe(code);
    await waitUntil(() => server.open() === 0, { what: 'the connection was cut' });
  });

  it('reads the final answer after early hints', async () => {
    const { send } = await start(always(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${answer(201)}`));
    expect(summaryOf(await send())).toBe('201');
  });
});

describe('odd bodies after a good head', () => {
  const KEPT_BYTES = 16_384;

  it('case 120: succeeds on an endless body and keeps its first 16 KiB', async () => {
    const chunk = `1000\r\n${'a'.repeat(4096)}\r\n`;
    const { send, server } = await start({
      onRequest: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
        const timer = setInterval(() => socket.write(chunk), 1);
        socket.on('close', () => clearInterval(timer));
      },
    });
    const result = await send();
    expect(summaryOf(result)).toBe('200 truncated');
    expect(result.kind === 'responded' && result.body.length).toBe(KEPT_BYTES);
    await waitUntil(() => server.open() === 0, { what: 'the connection was cut' });
  });

  it('case 121: succeeds on a dripping body soon after its head', async () => {
    const { send } = await start({
      onRequest: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
        const timer = setInterval(() => socket.write('a'), 100);
        socket.on('close', () => clearInterval(timer));
      },
    });
    const startedMs = performance.now();
    expect(summaryOf(await send())).toBe('200 truncated');
    expect(performance.now() - startedMs).toBeLessThan(1_400);
  });

  it('case 122: buffers nothing of a declared gigabyte', async () => {
    const { send } = await start({
      onRequest: (socket) =>
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${2 ** 30}\r\n\r\n${'a'.repeat(1_000_000)}`),
    });
    await send();
    const before = heapAfterCollection();
    for (let count = 0; count < 20; count += 1) expect(summaryOf(await send())).toBe('200 truncated');
    expect(heapAfterCollection() - before).toBeLessThan(5 * 1_048_576);
  });

  it('case 123: hands a compressed body on as it is', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`;
    const { send } = await start(always(Buffer.concat([Buffer.from(head), bomb])));
    const result = await send();
    expect(result).toMatchObject({ kind: 'responded', status: 200 });
    expect(result.kind === 'responded' && result.body.equals(bomb.subarray(0, KEPT_BYTES))).toBe(true);
  });

  it('case 124: does not mind a thousand content encodings', async () => {
    const { send } = await start(always(answer(200, 'x', [`content-encoding: ${'gzip,'.repeat(1000)}gzip`])));
    expect(summaryOf(await send())).toBe('200');
  });

  it('case 127: succeeds on a body that is shorter than declared, and says so', async () => {
    const { send } = await start({
      onRequest: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
    });
    const result = await send();
    expect(summaryOf(result)).toBe('200 truncated');
    expect(result.kind === 'responded' && result.body.toString()).toBe('abc');
  });

  it('case 134: hands script, escapes, invalid UTF-8 and NUL on as bytes', async () => {
    const bytes = Buffer.from([0, 0x1b, 0x5b, 0x32, 0x4a, 0xff, 0xfe, ...Buffer.from('<script>😀</script>')]);
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`;
    const { send } = await start(always(Buffer.concat([Buffer.from(head), bytes])));
    const result = await send();
    expect(result.kind === 'responded' && result.body.equals(bytes)).toBe(true);
  });

  it('case 135: keeps no state that a receiver asks for', async () => {
    const { send, server } = await start(
      always(answer(200, '', ['set-cookie: a=b', 'alt-svc: h2=":1"', 'strict-transport-security: max-age=9'])),
    );
    await send();
    await send();
    expect(server.requests.map(({ head }) => /cookie|alt-used/i.test(head))).toEqual([false, false]);
  });
});

describe('answers that nobody asked for', () => {
  it.each([0, 50])(
    'case 129: does not take a second answer, %i ms later, for that of the next request',
    async (delayMs) => {
      const { send, server } = await start({
        onRequest: (socket, { connection }) => {
          socket.write(answer(200, `own ${connection}`));
          const write = () => socket.write(answer(500, 'smuggled'));
          if (delayMs === 0) write();
          else setTimeout(write, delayMs);
        },
      });
      const first = await send();
      expect(first.kind === 'responded' && first.body.toString()).toBe('own 1');
      if (delayMs > 0) await waitUntil(() => server.open() === 0, { what: 'the connection was cut' });
      const second = await send();
      expect(second.kind === 'responded' && second.body.toString()).toBe('own 2');
    },
  );
});

describe('resets', () => {
  it('case 130: reports a reset right after accepting', async () => {
    const { send } = await start({ onConnection: (socket) => socket.resetAndDestroy() });
    expect(summaryOf(await send())).toBe('connection_reset');
  });

  it('case 130: reports a reset instead of an answer, and does not repeat the request', async () => {
    const { send, server } = await start({ onRequest: (socket) => socket.resetAndDestroy() });
    expect(summaryOf(await send())).toBe('connection_reset');
    expect(server.connections()).toBe(1);
  });

  it('case 130: reports a reset in the middle of the head', async () => {
    const { send } = await start({
      onRequest: (socket) => socket.write('HTTP/1.1 200 OK\r\nx: ', () => socket.resetAndDestroy()),
    });
    expect(summaryOf(await send())).toBe('connection_reset');
  });

  it('reports a receiver where nothing listens', async () => {
    const { send, server } = await start({});
    await server.close();
    expect(summaryOf(await send())).toBe('connection_refused');
  });
});

describe('connections that were reused', () => {
  it('case 131: sends once more, on a new connection, when the receiver closed just as we wrote', async () => {
    const { send, server } = await start({
      onRequest: (socket, { connection, number }) => {
        if (connection === 1 && number === 2) socket.resetAndDestroy();
        else socket.write(answer(200));
      },
    });
    await send();
    expect(summaryOf(await send())).toBe('200');
    expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
    expect(new Set(server.requests.map(({ head }) => /webhook-id: (.*)/.exec(head)?.[1]))).toEqual(new Set(['evt_1']));
    expect(new Set(server.requests.map(({ body }) => body.toString())).size).toBe(1);
  });

  it('case 131: sends no more than once more', async () => {
    const { send, server } = await start({
      onRequest: (socket, { connection, number }) => {
        if (connection === 1 && number === 1) socket.write(answer(200));
        else socket.resetAndDestroy();
      },
    });
    await send();
    expect(summaryOf(await send())).toBe('connection_reset');
    expect(server.requests.length).toBe(3);
  });

  it('does not send again once an answer has begun', async () => {
    const { send, server } = await start({
      onRequest: (socket, { number }) => {
        if (number === 1) socket.write(answer(200));
        else socket.write('HTTP/1.1 2', () => socket.resetAndDestroy());
      },
    });
    await send();
    expect(summaryOf(await send())).toBe('connection_reset');
    expect(server.requests.length).toBe(2);
  });

  it('does not send again when the receiver is merely slow', async () => {
    const { send, server } = await start({
      onRequest: (socket, { number }) => {
        if (number === 1) socket.write(answer(200));
      },
    });
    await send();
    expect(summaryOf(await send(300))).toBe('timeout');
    expect(server.requests.length).toBe(2);
  });
});
