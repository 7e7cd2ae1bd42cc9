/** An IPv4 or IPv6 address as text. */
type Address = string;

/** What the server says about a name: addresses, an error, nothing at all, or an alias. */
export type DnsReply =
  | { readonly kind: 'addresses'; readonly addresses: readonly Address[]; readonly ttl?: number }
  | { readonly kind: 'alias'; readonly names: readonly string[]; readonly addresses: readonly Address[] }
  | { readonly kind: 'error'; readonly code: 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED' }
  | { readonly kind: 'silence' };

export interface Question {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'other';
}

const TYPES: Readonly<Record<number, Question['type']>> = { 1: 'A', 28: 'AAAA' };
const CODES = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const HEADER_BYTES = 12;

export function readQuestion(message: Buffer): Question {
  const labels: string[] = [];
  let offset = HEADER_BYTES;
  for (let length = message.readUInt8(offset); length > 0; length = message.readUInt8(offset)) {
    labels.push(message.toString('latin1', offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: TYPES[message.readUInt16BE(offset + 1)] ?? 'other' };
}

/** The answer to a question, truncated when it is over the limit; null for silence. */
export function answersFor(
  message: Buffer,
  question: Question,
  { reply, limit }: { reply: DnsReply; limit: number },
): Buffer | null {
  if (reply.kind === 'silence') return null;
  if (reply.kind === 'error') return response(message, CODES[reply.code], []);
  const ttl = reply.kind === 'addresses' ? (reply.ttl ?? 0) : 0;
  const chain = reply.kind === 'alias' ? [question.name, ...reply.names] : [question.name];
  const aliases = chain.slice(1).map((target, index) => record(chain[index] ?? '', 5, encodeName(target), ttl));
  const owner = chain.at(-1) ?? question.name;
  const wanted = reply.addresses.filter((address) => address.includes(':') === (question.type === 'AAAA'));
  const addresses =
    question.type === 'other'
      ? []
      : wanted.map((address) => record(owner, address.includes(':') ? 28 : 1, encodeAddress(address), ttl));
  const full = response(message, 0, [...aliases, ...addresses]);
  if (full.length <= limit) return full;
  const truncated = response(message, 0, []);
  truncated.writeUInt8(truncated.readUInt8(2) | 0x02, 2);
  return truncated;
}

function response(message: Buffer, code: number, records: readonly Buffer[]): Buffer {
  const head = Buffer.from(message.subarray(0, HEADER_BYTES));
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  const end = message.indexOf(0, HEADER_BYTES) + 5;
  return Buffer.concat([head, message.subarray(HEADER_BYTES, end), ...records]);
}

function record(name: string, type: number, data: Buffer, ttl: number): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(name), fixed, data]);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function encodeAddress(address: Address): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [left = '', right = ''] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [head, tail] = [groups(left), groups(right)];
  const words = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
  return Buffer.from(words.flatMap((word) => [word >> 8, word & 255]));
}
