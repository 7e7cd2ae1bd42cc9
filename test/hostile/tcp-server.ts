import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

/** One request as it came off the socket. */
interface RawRequest {
  readonly head: string;
  readonly body: Buffer;
  /** 1 for the first request of this connection. */
  readonly number: number;
  /** 1 for the first connection of this server. */
  readonly connection: number;
}

/** A server that says whatever the test wants. */
export interface HostileServer {
  readonly port: number;
  /** TCP connections so far. */
  readonly connections: () => number;
  /** Bytes received so far, TLS handshakes not counted. */
  readonly bytesReceived: () => number;
  readonly requests: readonly RawRequest[];
  /** Connections that are open right now. */
  readonly open: () => number;
  readonly close: () => Promise<void>;
}

export interface HostileBehaviour {
  readonly onConnection?: (socket: Socket, connection: number) => void;
  readonly onRequest?: (socket: Socket, request: RawRequest) => void;
  readonly tls?: TlsOptions;
}

/** Starts a server on a free port of 127.0.0.1 that speaks raw bytes. */
export async function startHostileServer({ onConnection, onRequest, tls }: HostileBehaviour): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  const requests: RawRequest[] = [];
  let connections = 0;
  let bytes = 0;
  const serve = (socket: Socket) => {
    const connection = connections;
    socket.on('error', () => undefined);
    onConnection?.(socket, connection);
    const read = createRequestReader((request) => {
      const numbered = { ...request, connection };
      requests.push(numbered);
      onRequest?.(socket, numbered);
    });
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      read(chunk);
    });
  };
  const server: Server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.on(tls === undefined ? 'connection' : 'tlsClientError', () => undefined);
  server.prependListener('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(server);
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    port,
    requests,
    connections: () => connections,
    bytesReceived: () => bytes,
    open: () => sockets.size,
    close,
  };
}

/** A complete answer with a length. */
export function answer(status: number, body = '', headers: readonly string[] = []): string {
  const lines = [`HTTP/1.1 ${status} Whatever`, `content-length: ${Buffer.byteLength(body)}`, ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

function createRequestReader(onRequest: (request: Omit<RawRequest, 'connection'>) => void): (chunk: Buffer) => void {
  let pending = Buffer.alloc(0);
  let number = 0;
  return (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = pending.toString('latin1', 0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (pending.length < end + 4 + length) return;
      number += 1;
      const body = pending.subarray(end + 4, end + 4 + length);
      pending = pending.subarray(end + 4 + length);
      onRequest({ head, body, number });
    }
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}
