import { createServer } from 'node:net';

/** Everything local listens here; never on an outer interface. */
export const LOCAL_HOST = '127.0.0.1';

/**
 * `wanted` when nobody listens there, else a port that is free now. Between this answer and its use somebody else may
 * take it, so whoever starts a server on it must be ready to ask again (`retryTakenPorts`).
 */
export async function portFor(wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && (await tryListen(wanted)) !== undefined) return wanted;
  const port = await tryListen(0);
  if (port === undefined) throw new Error('this machine has no free port');
  return port;
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

async function tryListen(port: number): Promise<number | undefined> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, LOCAL_HOST, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
