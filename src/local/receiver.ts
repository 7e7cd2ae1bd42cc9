import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { KeyAndCertificate } from './certificate-authority.ts';
import { createVerifier, type Verdict } from './verifier.ts';

/** One request that arrived. */
export interface Arrival {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** `webhook-id`, `posthorn-delivery` and `posthorn-attempt`, as far as they were sent. */
  readonly webhookId: string | null;
  readonly deliveryId: string | null;
  readonly attempt: number | null;
  /** `type` of the JSON body. */
  readonly type: string | null;
  readonly verified: Verdict;
  readonly receivedAtMs: number;
}

/** What the receiver does with a request: answers after a while, never, or cuts the connection. */
export type Answer =
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly delayMs?: number;
    }
  | { readonly kind: 'hang' }
  | { readonly kind: 'reset' };

export interface ReceiverOptions {
  /** 0 takes a free one. */
  readonly port?: number;
  readonly host?: string;
  /** HTTPS with this certificate; plain HTTP without. */
  readonly tls?: KeyAndCertificate;
  /** The secrets to verify with, for all paths or by path. */
  readonly secrets?: readonly string[] | ((path: string) => readonly string[]);
  readonly answer?: (arrival: Arrival) => Answer;
  readonly onArrival?: (arrival: Arrival) => void;
}

/** A running receiver; closing it cuts its connections. */
export interface Receiver {
  /** Without a trailing slash, with the name that the certificate is for. */
  readonly url: string;
  readonly port: number;
  readonly close: () => Promise<void>;
}

const OK: Answer = { kind: 'respond', status: 200, body: 'ok' };

/** Starts a webhook receiver that verifies with the official library and reports what arrives. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const { port = 0, host = '127.0.0.1', tls } = options;
  const handle = createHandler(options);
  const server =
    tls === undefined ? createHttpServer(handle) : createHttpsServer({ key: tls.key, cert: tls.cert }, handle);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const actualPort = await listen(server, port, host);
  const close = () => closeServer(server, sockets);
  return { url: `${tls === undefined ? 'http' : 'https'}://localhost:${actualPort}`, port: actualPort, close };
}

function createHandler({
  secrets = [],
  answer,
  onArrival,
}: ReceiverOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const verify = createVerifier();
  const secretsFor = typeof secrets === 'function' ? secrets : () => secrets;
  return (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A sender may go away at any time; the next one is not affected.
    request.on('error', () => undefined);
    request.on('end', () => {
      const arrival = readArrival(request, Buffer.concat(chunks), (body) =>
        verify(body, request.headers, secretsFor(request.url ?? '/')),
      );
      onArrival?.(arrival);
      respond(answer?.(arrival) ?? OK, response);
    });
  };
}

function readArrival(
  { url = '/', headers }: IncomingMessage,
  body: Buffer,
  verify: (body: Buffer) => Verdict,
): Arrival {
  const attempt = Number(single(headers['posthorn-attempt']) ?? Number.NaN);
  return {
    path: url,
    headers,
    body,
    webhookId: single(headers['webhook-id']),
    deliveryId: single(headers['posthorn-delivery']),
    attempt: Number.isInteger(attempt) ? attempt : null,
    type: typeOf(body),
    verified: verify(body),
    receivedAtMs: Date.now(),
  };
}

function respond(answer: Answer, response: ServerResponse): void {
  switch (answer.kind) {
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'respond': {
      const write = () => response.writeHead(answer.status, answer.headers).end(answer.body);
      if (answer.delayMs === undefined) write();
      else setTimeout(write, answer.delayMs).unref();
    }
  }
}

function typeOf(body: Buffer): string | null {
  try {
    const content: unknown = JSON.parse(body.toString());
    const type: unknown = typeof content === 'object' && content !== null && 'type' in content ? content.type : null;
    return typeof type === 'string' ? type : null;
  } catch {
    return null;
  }
}

function single(value: string | readonly string[] | undefined): string | null {
  return typeof value === 'string' ? value : (value?.[0] ?? null);
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

function closeServer(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of sockets) socket.destroy();
  });
}
