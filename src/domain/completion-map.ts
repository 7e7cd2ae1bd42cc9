/**
 * The resolved offsets beyond a watermark as text that fits into the metadata of an offset commit, so that the next
 * owner of a partition repeats only what was truly open. An optimisation only: losing the map repeats, never loses.
 *
 * Form: `ph1` + kind + base64. Kind `b`: one bit per offset from the watermark on, 1 = resolved. Kind `r`: lengths of
 * alternating runs, open first, as LEB128 varints. The shorter one is written. What does not fit is left out from the
 * far end, so those offsets count as open.
 */
const VERSION = 'ph1';

/** Kafka's `offset.metadata.max.bytes` default; a longer text fails the whole commit. */
export const MAX_METADATA_BYTES = 4096;
const MAX_PAYLOAD_BYTES = Math.floor((MAX_METADATA_BYTES - VERSION.length - 1) / 4) * 3;

interface Window {
  readonly watermark: number;
  readonly next: number;
  isOpen(offset: number): boolean;
}

/** Encodes the resolved offsets of `[watermark, next)`; the empty string when there are none. */
export function encodeCompletions(window: Window): string {
  const runs = runLengths(window);
  if (runs.length < 2) return '';
  const asRuns = encodeRuns(runs);
  const asBits = encodeBits(window);
  const [kind, bytes] = asRuns.length <= asBits.length ? (['r', asRuns] as const) : (['b', asBits] as const);
  return VERSION + kind + bytes.toString('base64');
}

/** Reads a map back; the empty set for foreign, damaged or missing text. */
export function decodeCompletions(watermark: number, metadata: string | null): Set<number> {
  if (metadata === null || !metadata.startsWith(VERSION) || metadata.length > MAX_METADATA_BYTES) return new Set();
  const kind = metadata[VERSION.length];
  const bytes = Buffer.from(metadata.slice(VERSION.length + 1), 'base64');
  if (kind === 'b') return decodeBits(watermark, bytes);
  if (kind === 'r') return decodeRuns(watermark, bytes);
  return new Set();
}

/** Lengths of alternating runs from the watermark on: open, resolved, open, …; a trailing open run is left out. */
function runLengths(window: Window): number[] {
  const runs: number[] = [];
  let open = true;
  let length = 0;
  for (let offset = window.watermark; offset < window.next; offset++) {
    if (window.isOpen(offset) === open) {
      length += 1;
      continue;
    }
    runs.push(length);
    open = !open;
    length = 1;
  }
  if (!open) runs.push(length);
  return runs;
}

function encodeRuns(runs: readonly number[]): Buffer {
  const bytes: number[] = [];
  for (let index = 0; index + 1 < runs.length; index += 2) {
    const pair = [...varint(runs[index] ?? 0), ...varint(runs[index + 1] ?? 0)];
    if (bytes.length + pair.length > MAX_PAYLOAD_BYTES) break;
    bytes.push(...pair);
  }
  return Buffer.from(bytes);
}

function encodeBits(window: Window): Buffer {
  const span = Math.min(window.next - window.watermark, MAX_PAYLOAD_BYTES * 8);
  const bits = Buffer.alloc(Math.ceil(span / 8));
  for (let index = 0; index < span; index++) {
    if (!window.isOpen(window.watermark + index)) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return bits;
}

function decodeBits(watermark: number, bits: Buffer): Set<number> {
  const completed = new Set<number>();
  for (let index = 0; index < bits.length * 8; index++) {
    if (((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) completed.add(watermark + index);
  }
  return completed;
}

/** More offsets than any window holds: a damaged length must not fill the memory. */
const MAX_DECODED = 1_000_000;

function decodeRuns(watermark: number, bytes: Buffer): Set<number> {
  const completed = new Set<number>();
  let offset = watermark;
  let open = true;
  for (const length of readVarints(bytes)) {
    if (offset + length - watermark > MAX_DECODED) return new Set();
    if (!open) for (let index = 0; index < length; index++) completed.add(offset + index);
    offset += length;
    open = !open;
  }
  return completed;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

function* readVarints(bytes: Buffer): Generator<number> {
  let value = 0;
  let shift = 0;
  for (const byte of bytes) {
    value += (byte & 127) * 2 ** shift;
    shift = byte > 127 ? shift + 7 : 0;
    if (byte > 127) continue;
    yield value;
    value = 0;
  }
}
