import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, getCACertificates } from 'node:tls';
import { type Dialed, type Patience, settleSocket } from './dial.ts';

/** Puts TLS on a connected socket; `hostname` is as parsed from the URL. Never rejects. */
export type TlsUpgrade = (socket: Socket, hostname: string, patience: Patience) => Promise<Dialed>;

/**
 * TLS 1.2 or newer, HTTP/1.1, verification always on whatever the environment says. One secure context for all
 * connections: making one parses every trusted certificate, which takes milliseconds.
 */
export function createTlsUpgrade(extraCa?: string): TlsUpgrade {
  const ca = extraCa === undefined ? {} : { ca: [...getCACertificates('default'), extraCa] };
  const secureContext = createSecureContext({ minVersion: 'TLSv1.2', ...ca });
  return async (plain, hostname, patience) => {
    const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
    const socket = connect({
      socket: plain,
      host,
      // Addresses have no place in SNI; the certificate is then compared with `host`.
      servername: isIP(host) === 0 ? host : '',
      secureContext,
      rejectUnauthorized: true,
      ALPNProtocols: ['http/1.1'],
    });
    const found = await settleSocket(socket, 'secureConnect', patience);
    if (found === null) return { ok: true, socket };
    plain.destroy();
    return { ok: false, failure: found };
  };
}
