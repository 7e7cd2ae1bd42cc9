import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A way to a server that can be closed, as if the server were down, and opened again. */
export interface SwitchableProxy extends AsyncDisposable {
  /** The given URL, through the proxy. */
  readonly url: string;
  /** From now on connections are refused, and those that exist are cut. */
  close(): Promise<void>;
  /** From now on connections work, on the same port. */
  open(): Promise<void>;
}

/** Starts a proxy before the server of `target`, open. */
export async function startSwitchableProxy(target: string): Promise<SwitchableProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  let ownPort = 0;
  const open = async () => {
    server.listen(ownPort, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    ownPort = address.port;
  };
  const close = async () => {
    if (!server.listening) return;
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  await open();
  const url = Object.assign(new URL(target), { hostname: '127.0.0.1', port: String(ownPort) });
  return { url: url.href.replace(/\/$/, ''), open, close, [Symbol.asyncDispose]: close };
}
