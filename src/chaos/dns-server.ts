import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** How the name server behaves. */
export type DnsMode = { readonly kind: 'answer'; readonly delayMs: number } | { readonly kind: 'silent' };

/** A name server for one domain: every name in it is this machine. */
export interface ChaosDns {
  /** `address:port` */
  readonly address: string;
  set(mode: DnsMode): void;
  close(): Promise<void>;
}

const HEADER_BYTES = 12;
const TYPE_A = 1;
const TTL_S = 1;
/** A pointer to the name in the question, type A, class IN, time to live, four bytes: 127.0.0.1. */
const ANSWER = Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, TTL_S, 0, 4, 127, 0, 0, 1]);

/** Starts the name server on loopback; it answers at once until told otherwise. */
export async function startChaosDns(): Promise<ChaosDns> {
  let mode: DnsMode = { kind: 'answer', delayMs: 0 };
  const socket = createSocket('udp4');
  socket.on('message', (question, peer) => {
    if (mode.kind === 'silent') return;
    const answer = answerTo(question);
    // Whoever asked may have gone, and so may we.
    setTimeout(() => socket.send(answer, peer.port, peer.address, () => undefined), mode.delayMs).unref();
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    set: (next) => void (mode = next),
    close: () => new Promise((resolve) => void socket.close(resolve)),
  };
}

function answerTo(message: Buffer): Buffer {
  const questionEnd = message.indexOf(0, HEADER_BYTES) + 5;
  const isForAddress = message.readUInt16BE(questionEnd - 4) === TYPE_A;
  const head = Buffer.from(message.subarray(0, HEADER_BYTES));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(isForAddress ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, message.subarray(HEADER_BYTES, questionEnd), ...(isForAddress ? [ANSWER] : [])]);
}
