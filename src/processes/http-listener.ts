import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AppError } from '../domain/errors.ts';
import type { Service } from '../infrastructure/lifecycle.ts';

export interface HttpListenerOptions {
  readonly name: string;
  readonly handle: RequestListener;
  /** 0 takes a free port. */
  readonly port: number;
  readonly host?: string;
  /** How long a stop waits for requests in flight before it cuts them. */
  readonly stopDeadlineMs: number;
}

/** From the first byte to the end of the headers: slower clients are cut (they hold a connection for nothing). */
const HEADERS_TIMEOUT_MS = 10_000;
/** From the first byte to the end of the body. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the idle time of common load balancers (60 s), so that they close first and never meet a closed socket. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const TIMEOUT_CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 16_384;
const MAX_CONNECTIONS = 5_000;

/** A node:http server with limits for slow clients and a stop that lets requests in flight finish. */
export class HttpListener implements Service {
  readonly name: string;
  readonly #options: HttpListenerOptions;
  readonly #server: Server;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: HttpListenerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#server = createServer(
      {
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      (request, response) => {
        // During a stop, each answer is its connection's last.
        if (this.#stopping !== null) response.setHeader('connection', 'close');
        response.once('close', () => this.#closeIdleWhenStopping());
        options.handle(request, response);
      },
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Where it listens; only after `start`. */
  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error(`${this.name} does not listen`);
    return address.port;
  }

  start(): Promise<void> {
    this.#starting ??= this.#listen();
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#close();
    return this.#stopping;
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { port, host, name } = this.#options;
    this.#server.once('error', (cause) => {
      const message = `${name} cannot listen on port ${port}: ${cause.message}`;
      reject(new AppError('misconfigured', message, { cause }));
    });
    this.#server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
    await promise;
  }

  async #close(): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    // The callback's error says that it was not listening, which is what a stop wants.
    this.#server.close(() => resolve());
    const deadline = setTimeout(() => this.#server.closeAllConnections(), this.#options.stopDeadlineMs);
    await promise;
    clearTimeout(deadline);
  }

  #closeIdleWhenStopping(): void {
    // The connection becomes idle only after this event.
    if (this.#stopping !== null) setImmediate(() => this.#server.closeIdleConnections());
  }
}
