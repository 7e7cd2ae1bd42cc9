import { connect, type Socket } from 'node:net';
import { canonicalAddress } from '../../domain/address-policy.ts';
import { type Failure, failure, failureOf } from './failure-codes.ts';

/** A TCP connection, or why there is none. */
export type Dialed = { readonly ok: true; readonly socket: Socket } | { readonly ok: false; readonly failure: Failure };

/** When to give up: at a time (of `performance.now()`), or when the caller does. */
export interface Patience {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Dials the addresses one after the other until one answers; a silent one gets no more than its share of the time left. */
export async function dial(
  addresses: readonly string[],
  port: number,
  { deadlineMs, signal }: Patience,
): Promise<Dialed> {
  let last: Dialed = { ok: false, failure: failure('connection_failed', 'no_address') };
  for (const [index, address] of addresses.entries()) {
    const nowMs = performance.now();
    if (signal.aborted || nowMs >= deadlineMs) return { ok: false, failure: failure('connect_timeout') };
    const shareMs = (deadlineMs - nowMs) / (addresses.length - index);
    last = await dialOne(address, port, { deadlineMs: nowMs + shareMs, signal });
    if (last.ok || last.failure.code === 'destination_not_allowed') return last;
  }
  return last;
}

function dialOne(address: string, port: number, patience: Patience): Promise<Dialed> {
  const socket = connect({ host: address, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  return settleSocket(socket, 'connect', patience).then((found) => {
    if (found !== null) return { ok: false, failure: found };
    const isPeer =
      socket.remoteAddress !== undefined && canonicalAddress(socket.remoteAddress) === canonicalAddress(address);
    if (isPeer) return { ok: true, socket };
    socket.destroy();
    return { ok: false, failure: failure('destination_not_allowed', 'peer_differs') };
  });
}

/** Waits for `event` of a socket that is being opened. Null when it came; otherwise the socket is destroyed and the failure returned. */
export function settleSocket(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  { deadlineMs, signal }: Patience,
): Promise<Failure | null> {
  return new Promise((resolve) => {
    const finish = (found: Failure | null) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off(event, onOpen).off('error', onError).off('close', onClose);
      // Whoever takes the socket over listens for errors; until then one must not end the process.
      socket.on('error', ignore);
      if (found !== null) socket.destroy();
      resolve(found);
    };
    const onOpen = () => finish(null);
    const onError = (error: Error) => finish(failureOf(error));
    const onClose = () => finish(failure('connection_reset', 'closed'));
    const onAbort = () => finish(failure('timeout', `${event}_aborted`));
    const timer = setTimeout(
      () => finish(failure('connect_timeout', `${event}_timeout`)),
      Math.max(0, deadlineMs - performance.now()),
    );
    signal.addEventListener('abort', onAbort);
    socket.on(event, onOpen).on('error', onError).on('close', onClose);
  });
}

function ignore(): void {}
