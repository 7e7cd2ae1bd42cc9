import { createServer, type Server } from 'node:net';
import { AppError } from '../domain/errors.ts';

/** Everything local listens here; never on an outer interface. */
export const LOCAL_HOST = '127.0.0.1';

/**
 * `wanted` when nobody listens there, else a port that is free now. Between this answer and its use somebody else may
 * take it, so whoever starts a server on it must be ready to ask again (`retryTakenPorts`).
 */
export async function portFor(wanted: number | undefined): Promise<number> {
  const holder = wanted === undefined ? undefined : await tryListen(wanted);
  if (wanted === undefined || holder === undefined) return (await freePorts(1))[0] ?? 0;
  await close(holder);
  return wanted;
}

/** Free ports, all different: all are held until the last one is found. */
export async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(Array.from({ length: count }, () => tryListen(0)));
  const ports = holders.map((holder) => (holder === undefined ? undefined : portOf(holder)));
  await Promise.all(holders.map(async (holder) => holder && (await close(holder))));
  return ports.map((port) => {
    if (port === undefined) throw new AppError('unavailable', 'this machine has no free port');
    return port;
  });
}

const PORT_TAKEN = /address already in use|port\(s\) already bound|address in use/i;
const ATTEMPTS = 3;

/** Runs `start` again, with ports chosen anew, when another process took a port in the meantime. */
export async function retryTakenPorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === ATTEMPTS || !(error instanceof Error) || !PORT_TAKEN.test(error.message)) throw error;
    }
  }
}

async function tryListen(port: number): Promise<Server | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, LOCAL_HOST, () => resolve(server));
  });
}

function portOf(server: Server): number | undefined {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : undefined;
}

async function close(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
