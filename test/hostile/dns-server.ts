import { createSocket, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { answersFor, type DnsReply, type Question, readQuestion } from './dns-message.ts';

/** Called for each question; tests count and script with it. */
export type DnsZone = (question: Question) => DnsReply;

export interface DnsServer {
  /** `address:port`, as the sender's `dnsServers` takes it. */
  readonly address: string;
  readonly questions: readonly Question[];
  readonly close: () => Promise<void>;
}

const MAX_UDP_BYTES = 512;

/** A name server on loopback, over UDP and, for what does not fit, TCP. */
export async function startDnsServer(zone: DnsZone): Promise<DnsServer> {
  const questions: Question[] = [];
  const reply = (message: Buffer, limit: number): Buffer | null => {
    const question = readQuestion(message);
    questions.push(question);
    return answersFor(message, question, { reply: zone(question), limit });
  };
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const answer = reply(chunk.subarray(2), 65_535);
      if (answer === null) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.end(Buffer.concat([length, answer]));
    });
  });
  const { udp, port } = await bindBoth(tcp);
  udp.on('message', (message, peer) => {
    const answer = reply(message, MAX_UDP_BYTES);
    if (answer !== null) udp.send(answer, peer.port, peer.address);
  });
  const close = async () => {
    await new Promise<void>((resolve) => udp.close(resolve));
    await new Promise<void>((resolve) => tcp.close(() => resolve()));
  };
  return { address: `127.0.0.1:${port}`, questions, close };
}

/** One port for both; another one when somebody has it for UDP. */
async function bindBoth(tcp: Server): Promise<{ udp: Socket; port: number }> {
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const address = tcp.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const udp = createSocket('udp4');
  const isBound = await new Promise<boolean>((resolve) => {
    udp.once('error', () => resolve(false));
    udp.bind(port, '127.0.0.1', () => resolve(true));
  });
  if (isBound) return { udp, port };
  await new Promise<void>((resolve) => tcp.close(() => resolve()));
  return bindBoth(tcp);
}
