import { createServer, type Socket } from 'node:net';

/**
 * The receiver of the benchmark, run as a process of its own: answers 200 to every POST with as little work as possible
 * and notes when each event arrived. Event ids end in `-<number>`; arrivals are kept by that number. It speaks over
 * the process channel: `{ port }` at the start, `{ arrivals }` (epoch milliseconds, fractions kept) when asked for them.
 */
const ANSWER = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
const HEAD_END = Buffer.from('\r\n\r\n');
const ID_HEADER = 'webhook-id: ';
const LENGTH_HEADER = 'content-length: ';

let arrivals: [number, number][] = [];

const server = createServer((socket) => {
  socket.setNoDelay(true);
  let pending: Buffer | null = null;
  socket.on('data', (chunk: Buffer) => {
    pending = consume(pending === null ? chunk : Buffer.concat([pending, chunk]), socket);
  });
  // Senders close idle connections as they like.
  socket.on('error', () => undefined);
});

/** Answers every complete request in the buffer; returns the rest. */
function consume(buffer: Buffer, socket: Socket): Buffer | null {
  let start = 0;
  while (start < buffer.length) {
    const headEnd = buffer.indexOf(HEAD_END, start);
    if (headEnd < 0) return buffer.subarray(start);
    const head = buffer.toString('latin1', start, headEnd);
    const end = headEnd + HEAD_END.length + Number(valueOf(head, LENGTH_HEADER));
    if (end > buffer.length) return buffer.subarray(start);
    note(valueOf(head, ID_HEADER));
    socket.write(ANSWER);
    start = end;
  }
  return null;
}

function valueOf(head: string, header: string): string {
  const start = head.indexOf(header) + header.length;
  const end = head.indexOf('\r', start);
  return head.slice(start, end < 0 ? undefined : end);
}

function note(eventId: string): void {
  arrivals.push([Number(eventId.slice(eventId.lastIndexOf('-') + 1)), performance.timeOrigin + performance.now()]);
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});

process.on('message', (question: { ask: 'count' | 'arrivals' | 'reset' }) => {
  if (question.ask === 'arrivals') process.send?.({ arrivals });
  else process.send?.({ count: arrivals.length });
  if (question.ask === 'reset') arrivals = [];
});
process.on('disconnect', () => process.exit());
