import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { AttemptTimings, SendResult, WebhookRequest } from '../../domain/send-result.ts';
import { Connection } from './connection.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { type Failure, failure, failureOf } from './failure-codes.ts';
import type { Connect, ConnectTimings, Target } from './guarded-connector.ts';
import { ResponseBody } from './response-body.ts';

/** What all attempts of a sender share. */
export interface AttemptContext {
  readonly pool: ConnectionPool;
  readonly connect: Connect;
  /** How long after the head the body may take, milliseconds. */
  readonly bodyTimeMs: number;
}

const NOT_CONNECTING: ConnectTimings = { dnsMs: null, connectMs: null, tlsMs: null };

/**
 * One POST, from before name resolution to the end of the answer, under one absolute deadline. The head of the answer
 * decides; what happens to the body afterwards is only noted. It is its own undici handler: this is the hot path.
 */
export class Attempt implements Dispatcher.DispatchHandler {
  readonly #context: AttemptContext;
  readonly #target: Target;
  readonly #dispatchOptions: Dispatcher.DispatchOptions;
  readonly #resolve: (result: SendResult) => void;
  readonly #startedMs = performance.now();
  readonly #body = new ResponseBody();
  readonly #deadline: NodeJS.Timeout;
  #bodyDeadline: NodeJS.Timeout | null = null;
  #connecting: AbortController | null = null;
  #connection: Connection | null = null;
  #connectTimings = NOT_CONNECTING;
  #bytesReadBefore = 0;
  #writtenMs = 0;
  #headMs: number | null = null;
  #status: number | null = null;
  #headers: IncomingHttpHeaders = {};
  #isResent = false;
  #isSettled = false;

  constructor(
    context: AttemptContext,
    { target, path }: { target: Target; path: string },
    request: WebhookRequest,
    resolve: (result: SendResult) => void,
  ) {
    this.#context = context;
    this.#target = target;
    this.#dispatchOptions = { method: 'POST', path, headers: headerList(request.headers), body: request.body };
    this.#resolve = resolve;
    this.#deadline = setTimeout(expire, request.timeoutMs, this);
  }

  start(): void {
    const idle = this.#context.pool.take(this.#target.origin);
    if (idle === undefined) this.#openSafely();
    else this.#exchange(idle);
  }

  /** Ends the attempt now, whatever it is doing. */
  cut(reason: Failure): void {
    if (this.#status === null) this.#fail(reason);
    else this.#succeed(true);
  }

  /** Nothing to do; its presence tells undici which of its two handler interfaces this is. */
  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 1xx are not the answer, however many of them come; the deadline ends them. undici reports 0xx here too, and fails later.
    if (this.#isSettled || status < 200) return;
    if (status > 599) return this.#fail(failure('response_protocol', 'status_out_of_range'));
    this.#status = status;
    this.#headers = headers;
    this.#headMs = performance.now();
    if (headers['content-length'] !== '0') this.#bodyDeadline = setTimeout(endBody, this.#context.bodyTimeMs, this);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#isSettled && !this.#body.add(chunk)) this.#succeed(true);
  }

  onResponseEnd(): void {
    if (this.#isSettled) return;
    const connection = this.#connection;
    this.#connection = null;
    this.#succeed(false);
    if (connection !== null) this.#context.pool.put(connection);
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#isSettled) return;
    const found = failureOf(this.#connection?.firstError ?? error);
    if (this.#status !== null && found.detail !== 'und_err_res_content_length_mismatch') return this.#succeed(true);
    if (this.#mayResend(found)) this.#resend();
    else this.#fail(found);
  }

  /** Nobody waits for this promise, so nothing may be lost in it. */
  #openSafely(): void {
    this.#open().catch((error: unknown) => this.#fail(failureOf(error)));
  }

  async #open(): Promise<void> {
    const connecting = new AbortController();
    this.#connecting = connecting;
    const connected = await this.#context.connect(this.#target, connecting.signal);
    this.#connecting = null;
    this.#connectTimings = connected.timings;
    if (!connected.ok) return this.#fail(connected.failure);
    const connection = new Connection(this.#target, connected.socket, (closed) => this.#context.pool.remove(closed));
    if (this.#isSettled) return connection.destroy();
    this.#context.pool.add(connection);
    this.#exchange(connection);
  }

  #exchange(connection: Connection): void {
    this.#connection = connection;
    this.#bytesReadBefore = connection.bytesRead;
    this.#writtenMs = performance.now();
    connection.dispatch(this.#dispatchOptions, this);
  }

  /** A reused connection may have been closed by the receiver just as we wrote: then, and only then, the same request goes out once more. */
  #mayResend(found: Failure): boolean {
    const connection = this.#connection;
    if (connection === null || this.#isResent || found.code !== 'connection_reset') return false;
    return connection.isReused && connection.bytesRead === this.#bytesReadBefore;
  }

  #resend(): void {
    this.#isResent = true;
    this.#dropConnection();
    this.#openSafely();
  }

  #succeed(isTruncated: boolean): void {
    const body = this.#body.read();
    const truncated = isTruncated || this.#body.isCut;
    this.#settle({
      kind: 'responded',
      status: this.#status ?? 0,
      headers: presentHeaders(this.#headers),
      body,
      truncated,
      timings: this.#timings(),
    });
  }

  #fail(found: Failure): void {
    this.#settle({ kind: 'failed', ...found, timings: this.#timings() });
  }

  #settle(result: SendResult): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    clearTimeout(this.#deadline);
    if (this.#bodyDeadline !== null) clearTimeout(this.#bodyDeadline);
    this.#connecting?.abort();
    this.#dropConnection();
    this.#resolve(result);
  }

  #dropConnection(): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) return;
    this.#context.pool.remove(connection);
    connection.destroy();
  }

  #timings(): AttemptTimings {
    const { dnsMs, connectMs, tlsMs } = this.#connectTimings;
    return {
      dnsUs: microseconds(dnsMs),
      connectUs: microseconds(connectMs),
      tlsUs: microseconds(tlsMs),
      firstByteUs: this.#headMs === null ? null : Math.round((this.#headMs - this.#writtenMs) * 1000),
      totalUs: Math.round((performance.now() - this.#startedMs) * 1000),
    };
  }
}

function expire(attempt: Attempt): void {
  attempt.cut(failure('timeout'));
}

function endBody(attempt: Attempt): void {
  attempt.cut(failure('timeout', 'body'));
}

function microseconds(durationMs: number | null): number | null {
  return durationMs === null ? null : Math.round(durationMs * 1000);
}

function headerList(headers: Readonly<Record<string, string>>): string[] {
  const list = ['accept-encoding', 'identity'];
  for (const name of Object.keys(headers)) list.push(name, headers[name] ?? '');
  return list;
}

/** Undici never hands over a name without a value, whatever Node's type says. */
function presentHeaders(headers: IncomingHttpHeaders): Readonly<Record<string, string | string[]>> {
  return headers as Readonly<Record<string, string | string[]>>;
}
