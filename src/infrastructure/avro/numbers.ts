import { MappingError } from './mapping-error.ts';

/** Decimal text of a two's-complement big-endian number: `-12.30` for scale 2. Always `scale` decimals, never rounded. */
export function formatDecimal(bytes: Buffer, scale: number): string {
  const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const sign = negative ? '-' : '';
  return scale === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-scale)}`;
}

/** The bytes of decimal text; `size` pads to the length of a fixed type, null gives the shortest form. */
export function parseDecimal(text: string, shape: { precision: number; scale: number; size: number | null }): Buffer {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) throw new MappingError('must be a decimal number as text, such as "12.50"');
  const fraction = match[3] ?? '';
  if (fraction.length > shape.scale) throw new MappingError(`has more than ${shape.scale} decimals`);
  const unscaled = BigInt(`${match[2]}${fraction.padEnd(shape.scale, '0')}`);
  if (unscaled >= 10n ** BigInt(shape.precision)) throw new MappingError(`has more than ${shape.precision} digits`);
  return twosComplement(match[1] === '-' ? -unscaled : unscaled, shape.size);
}

function twosComplement(value: bigint, size: number | null): Buffer {
  const length = size ?? byteLength(value);
  if (byteLength(value) > length) throw new MappingError(`does not fit into ${length} bytes`);
  const hex = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0');
  return Buffer.from(hex, 'hex');
}

function byteLength(value: bigint): number {
  const magnitude = value < 0n ? -value - 1n : value;
  return Math.floor(magnitude.toString(2).length / 8) + 1;
}

/** ISO 8601 text of an Avro duration: `P1M2DT3.5S`; parts that are zero are left out, nothing at all is `PT0S`. */
export function formatDuration(bytes: Buffer): string {
  const [months, days, ms] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8)];
  const date = (months > 0 ? `${months}M` : '') + (days > 0 ? `${days}D` : '');
  return `P${date}${ms > 0 || date === '' ? `T${ms / 1000}S` : ''}`;
}

/** The twelve bytes of an Avro duration. Only months, days and seconds exist there: weeks or hours are not the same. */
export function parseDuration(text: string): Buffer {
  const match = /^P(?=.)(?:(\d{1,10})M)?(?:(\d{1,10})D)?(?:T(\d{1,7})(?:\.(\d{1,3}))?S)?$/.exec(text);
  if (match === null) throw new MappingError('must be a duration of months, days and seconds, such as P1M2DT3.5S');
  const ms = Number(match[3] ?? 0) * 1000 + Number((match[4] ?? '').padEnd(3, '0'));
  const parts = [Number(match[1] ?? 0), Number(match[2] ?? 0), ms];
  const bytes = Buffer.alloc(12);
  for (const [index, part] of parts.entries()) {
    if (part > 0xffff_ffff) throw new MappingError(`has a part larger than ${0xffff_ffff}`);
    bytes.writeUInt32LE(part, index * 4);
  }
  return bytes;
}

/** The shortest decimal that still means the same 32-bit float: 0.1, not 0.10000000149011612. */
export function shortestFloat(value: number): number {
  for (let precision = 6; precision < 9; precision += 1) {
    const candidate = Number(value.toPrecision(precision));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}

/** `8-4-4-4-12` text of sixteen bytes. */
export function formatUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Whole number text or number of an Avro long; text carries what a JSON number cannot hold exactly. */
export function parseLong(value: unknown): number | bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  if (typeof value !== 'string' || !/^-?\d{1,19}$/.test(value)) {
    throw new MappingError('must be a whole number; one beyond 2^53 as text');
  }
  const exact = BigInt(value);
  if (BigInt.asIntN(64, exact) !== exact) throw new MappingError('does not fit into 64 bits');
  return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
}
