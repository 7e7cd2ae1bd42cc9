import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../config.ts';
import { ensureCertificates } from '../local/certificates.ts';
import { type Arrival, startReceiver } from '../local/receiver.ts';
import type { Command } from './command.ts';

const USAGE = `posthorn listen [--port P] [--secret whsec_…]… [--data-dir D]

Receives webhooks on this machine over HTTPS, verifies them with the official Standard Webhooks library and prints
one line for each. Ends with Ctrl-C.

  --port P          port to listen on (8443; 0 takes a free one)
  --secret S        secret to verify with, as the API returned it; may be given several times
  --data-dir D      where the local certificate is kept (POSTHORN_DATA_DIR, ./.posthorn)
`;

/** `posthorn listen`: a receiver for trying things out. */
export const listenCommand: Command = {
  name: 'listen',
  summary: 'receive, verify and print webhooks on this machine',
  usage: USAGE,
  run: async (args) => {
    const options = readOptions(args);
    const problem = problemOf(options);
    if (problem !== null) {
      console.error(problem);
      return 2;
    }
    const certificates = await ensureCertificates(join(options.dataDir, 'certificates'));
    const { port, secrets } = options;
    const receiver = await startReceiver({
      port,
      tls: certificates,
      secrets,
      onArrival: (arrival) => console.log(lineFor(arrival)),
    });
    console.log(`Listening. Subscribe a webhook to ${receiver.url}/`);
    console.log(
      `The certificate is signed by ${certificates.caFile}: 'posthorn up' trusts it when it uses the same data folder;`,
    );
    console.log(`for 'posthorn serve' set POSTHORN_EGRESS_CA_FILE to it and POSTHORN_EGRESS_ALLOW_CIDRS=127.0.0.0/8,`);
    console.log('with the port in POSTHORN_EGRESS_PORTS.\n');
    await untilSignal();
    await receiver.close();
    return 0;
  },
};

interface ListenOptions {
  readonly port: number;
  readonly secrets: readonly string[];
  readonly dataDir: string;
}

function problemOf({ port, secrets }: ListenOptions): string | null {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return '--port must be a number from 0 to 65535';
  const isSecret = (secret: string) => /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret);
  return secrets.every(isSecret) ? null : '--secret must be given as the API returned it: whsec_ followed by base64';
}

function readOptions(args: readonly string[]): ListenOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '8443' },
      secret: { type: 'string', multiple: true, default: [] },
      'data-dir': { type: 'string' },
    },
  });
  return { port: Number(values.port), secrets: values.secret, dataDir: values['data-dir'] ?? readConfig().dataDir };
}

/** One line per arrival; what came over the network cannot move the cursor. */
function lineFor(arrival: Arrival): string {
  const time = new Date(arrival.receivedAtMs).toISOString().slice(11, 23);
  const attempt = arrival.attempt === null ? 'no attempt number' : `attempt ${arrival.attempt}`;
  const parts = [
    time,
    arrival.type ?? 'no type',
    arrival.webhookId ?? 'no id',
    attempt,
    VERDICTS[arrival.verified],
    `${arrival.body.length} bytes`,
  ];
  return parts.join('  ').replaceAll(/\p{C}/gu, '?');
}

const VERDICTS = { verified: 'verified', refused: 'NOT VERIFIED', no_secret: 'no secret given' } as const;

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve();
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
  });
}
