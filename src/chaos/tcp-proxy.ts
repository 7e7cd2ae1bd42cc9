import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export type Direction = 'to_server' | 'to_client';

/** What the network does to every connection, old and new. */
export interface LinkFaults {
  /** Added to each chunk, both ways. */
  readonly latencyMs: number;
  /** At most this much more or less, chosen anew for each chunk. */
  readonly jitterMs: number;
  /** Bytes per second and direction; null is unlimited. */
  readonly bytesPerSecond: number | null;
  /** Directions in which nothing arrives: it is held back, as by a network that drops packets and TCP that sends them again. */
  readonly blackholes: readonly Direction[];
}

/** Cuts a connection with a reset after `afterBytes` of the answer to the first request that matches. */
export interface Cut {
  readonly matches: (request: Buffer) => boolean;
  readonly afterBytes: number;
}

/** A bad network in front of one server, for brokers, PostgreSQL, the registry and receivers alike. */
export interface FaultyProxy {
  readonly port: number;
  /** Changes some faults and keeps the others. */
  set(faults: Partial<LinkFaults>): void;
  /** The network is good again; what was held back arrives now. */
  heal(): void;
  /** Resets every connection; new ones work. */
  reset(): void;
  /** Connections are refused, and those that exist are reset, as if the server were down. */
  refuse(): Promise<void>;
  /** Takes connections again, on the same port. */
  accept(): Promise<void>;
  /** Arms cuts: each is used once. Resolves with the number of those that happened when `disarm` is called. */
  cutAnswers(cut: Cut, times: number): CutCount;
  close(): Promise<void>;
}

export interface CutCount {
  readonly done: number;
  disarm(): void;
}

const HEALTHY: LinkFaults = { latencyMs: 0, jitterMs: 0, bytesPerSecond: null, blackholes: [] };
const HOST = '127.0.0.1';
/** Bytes held for a slow direction before its sender is no longer read. */
const MAX_HELD_BYTES = 1024 * 1024;
const GATE_POLL_MS = 20;

interface ArmedCut extends Cut {
  left: number;
  done: number;
}

/** State that all connections of a proxy share. */
interface Link {
  faults: LinkFaults;
  cut: ArmedCut | null;
  readonly random: () => number;
}

/** Starts a proxy on a free port of this machine, healthy. */
export async function startFaultyProxy(targetPort: number, random: () => number = Math.random): Promise<FaultyProxy> {
  const link: Link = { faults: HEALTHY, cut: null, random };
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: targetPort, host: HOST, noDelay: true });
    sockets.add(near).add(far);
    joinSockets({ near, far, link });
    for (const socket of [near, far]) socket.on('close', () => sockets.delete(socket));
  });
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  let port = 0;
  const accept = async () => {
    if (server.listening) return;
    server.listen(port, HOST);
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) port = address.port;
  };
  const refuse = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    reset();
    await closed;
  };
  await accept();
  return {
    port,
    set: (faults) => void (link.faults = { ...link.faults, ...faults }),
    heal: () => void (link.faults = HEALTHY),
    reset,
    refuse,
    accept,
    cutAnswers: (cut, times) => armCut(link, cut, times),
    close: refuse,
  };
}

function armCut(link: Link, cut: Cut, times: number): CutCount {
  const armed: ArmedCut = { ...cut, left: times, done: 0 };
  link.cut = armed;
  return {
    get done() {
      return armed.done;
    },
    disarm: () => void (link.cut = null),
  };
}

/** One connection through the proxy. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  readonly link: Link;
}

function joinSockets({ near, far, link }: Pair): void {
  const cutAfter: { bytes: number | null } = { bytes: null };
  const destroy = () => {
    near.destroy();
    far.destroy();
  };
  for (const socket of [near, far]) {
    // Resets are what this proxy is for; the other side learns of them below.
    socket.on('error', destroy);
    socket.on('close', destroy);
  }
  carry(near, far, { direction: 'to_server', link }, (chunk) => {
    const { cut } = link;
    if (cut !== null && cut.left > 0 && cutAfter.bytes === null && cut.matches(chunk)) {
      cut.left -= 1;
      cutAfter.bytes = cut.afterBytes;
    }
    return chunk;
  });
  carry(far, near, { direction: 'to_client', link }, (chunk) => {
    if (cutAfter.bytes === null) return chunk;
    if (link.cut !== null) link.cut.done += 1;
    const kept = chunk.subarray(0, cutAfter.bytes);
    if (kept.length > 0) near.write(kept);
    near.resetAndDestroy();
    far.destroy();
    return null;
  });
}

function carry(
  from: Socket,
  to: Socket,
  { direction, link }: { direction: Direction; link: Link },
  inspect: (chunk: Buffer) => Buffer | null,
): void {
  let heldBytes = 0;
  let order = Promise.resolve();
  const deliver = async (chunk: Buffer, dueMs: number) => {
    await passGate({ link, direction, dueMs, bytes: chunk.length, isOpen: () => !to.destroyed });
    heldBytes -= chunk.length;
    if (to.destroyed) return;
    const kept = inspect(chunk);
    if (kept !== null) to.write(kept);
    if (heldBytes < MAX_HELD_BYTES / 2) from.resume();
  };
  from.on('data', (chunk: Buffer) => {
    heldBytes += chunk.length;
    if (heldBytes > MAX_HELD_BYTES) from.pause();
    const { latencyMs, jitterMs } = link.faults;
    const dueMs = performance.now() + latencyMs + jitterMs * (2 * link.random() - 1);
    order = order.then(() => deliver(chunk, dueMs));
  });
  from.on('end', () => void order.then(() => to.end()));
}

async function passGate(pass: {
  link: Link;
  direction: Direction;
  dueMs: number;
  bytes: number;
  isOpen: () => boolean;
}): Promise<void> {
  const { link, direction, dueMs, bytes, isOpen } = pass;
  const waitMs = dueMs - performance.now();
  if (waitMs > 1) await delay(waitMs);
  const { bytesPerSecond } = link.faults;
  if (bytesPerSecond !== null) await delay((bytes / bytesPerSecond) * 1000);
  while (isOpen() && link.faults.blackholes.includes(direction)) await delay(GATE_POLL_MS);
}
