import type { Socket } from 'node:net';
import { type buildConnector, Client, type Dispatcher } from 'undici';
import type { Target } from './guarded-connector.ts';

const KEEP_ALIVE_MS = 30_000;
const KEEP_ALIVE_MAX_MS = 120_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_RESPONSE_BYTES = 1_048_576;

/**
 * One guarded socket with undici's HTTP/1.1 on it. Undici never opens a socket of its own: when this one is gone, so is
 * the connection. One client per socket, so that the sender knows of each request whether its connection was reused.
 */
export class Connection {
  readonly origin: string;
  readonly #socket: Socket;
  readonly #client: Client;
  #requests = 0;
  #firstError: Error | null = null;

  constructor(target: Target, socket: Socket, onClosed: (connection: Connection) => void) {
    this.origin = target.origin;
    this.#socket = socket;
    this.#client = new Client(target.origin, {
      connect: handOver(socket),
      allowH2: false,
      pipelining: 1,
      // The sender's absolute deadline covers both.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      maxResponseSize: MAX_RESPONSE_BYTES,
    });
    // A TLS alert is followed by the end of the stream, which undici reports in its place.
    socket.once('error', (error) => (this.#firstError = error));
    this.#client.on('disconnect', () => onClosed(this));
  }

  /** Whether a request was sent here before the current one. */
  get isReused(): boolean {
    return this.#requests > 1;
  }

  get isUsable(): boolean {
    return !this.#socket.destroyed && this.#socket.readable && this.#socket.writable;
  }

  /** Bytes received so far (of the decrypted stream); tells whether an answer had begun. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** What the socket itself first complained of, if anything. */
  get firstError(): Error | null {
    return this.#firstError;
  }

  dispatch(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#requests += 1;
    this.#client.dispatch(request, handler);
  }

  /** Cuts the connection; a running request is reported to its handler as failed. */
  destroy(): void {
    this.#client.destroy(null, noop);
    this.#socket.destroy();
  }
}

/** Gives undici the socket once. Asynchronously, because its queue does not move when it is answered at once. */
function handOver(socket: Socket): buildConnector.connector {
  let unused: Socket | null = socket;
  return (_options, callback) => {
    const taken = unused;
    unused = null;
    queueMicrotask(() => {
      // Not one of undici's own codes: those make it connect again and again.
      if (taken === null) callback(Object.assign(new Error('the connection is gone'), { code: 'ECONNRESET' }), null);
      else callback(null, taken);
    });
  };
}

function noop(): void {}
