/**
 * One column of a COPY: its name, its type, and where the value comes from. Null is NULL. Times are epoch milliseconds,
 * days are days since 1970.
 */
export type CopyColumn<Row> =
  | { readonly name: string; readonly type: 'uuid' | 'text'; readonly of: (row: Row) => string | null }
  | {
      readonly name: string;
      readonly type: 'integer' | 'bigint' | 'time' | 'day';
      readonly of: (row: Row) => number | null;
    }
  | { readonly name: string; readonly type: 'boolean'; readonly of: (row: Row) => boolean | null }
  | { readonly name: string; readonly type: 'bytes'; readonly of: (row: Row) => Buffer | null };

/** PGCOPY, then 4 bytes of flags and 4 of the length of an extension that nobody uses. */
const HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex');
const TRAILER = Buffer.from([0xff, 0xff]);
const NULL_LENGTH = -1;
/** 2000-01-01: where PostgreSQL counts from. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const POSTGRES_EPOCH_DAY = 10_957;
const HYPHEN = 0x2d;
const SHORT_TEXT = 64;
const TWO_TO_32 = 4_294_967_296;

/**
 * Rows in PostgreSQL's binary COPY format. Half the cost of text on both sides: no escaping, no hex, no parsing.
 * NUL becomes U+FFFD, because PostgreSQL text cannot hold it.
 */
export function encodeCopy<Row>(columns: readonly CopyColumn<Row>[], rows: readonly Row[]): Buffer {
  const out = new GrowingBuffer(1024 + rows.length * 1024);
  out.raw(HEADER);
  for (const row of rows) {
    out.int16(columns.length);
    for (const column of columns) writeValue(out, column, row);
  }
  out.raw(TRAILER);
  return out.content();
}

function writeValue<Row>(out: GrowingBuffer, column: CopyColumn<Row>, row: Row): void {
  switch (column.type) {
    case 'uuid':
    case 'text': {
      const value = column.of(row);
      if (value === null) return out.int32(NULL_LENGTH);
      return column.type === 'uuid' ? out.uuid(value) : out.text(value);
    }
    case 'boolean': {
      const value = column.of(row);
      return value === null ? out.int32(NULL_LENGTH) : out.boolean(value);
    }
    case 'bytes': {
      const value = column.of(row);
      return value === null ? out.int32(NULL_LENGTH) : out.bytes(value);
    }
    case 'integer':
    case 'bigint':
    case 'time':
    case 'day': {
      const value = column.of(row);
      return value === null ? out.int32(NULL_LENGTH) : writeNumber(out, column.type, value);
    }
  }
}

function writeNumber(out: GrowingBuffer, type: 'integer' | 'bigint' | 'time' | 'day', value: number): void {
  switch (type) {
    case 'integer':
      out.int32(4);
      return out.int32(value);
    case 'day':
      out.int32(4);
      return out.int32(value - POSTGRES_EPOCH_DAY);
    case 'bigint':
      out.int32(8);
      return out.int64(value);
    case 'time':
      out.int32(8);
      return out.microseconds(value - POSTGRES_EPOCH_MS);
  }
}

/** Bytes that are appended to; doubles when full. */
class GrowingBuffer {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  content(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  raw(value: Buffer): void {
    this.#reserve(value.length);
    value.copy(this.#bytes, this.#length);
    this.#length += value.length;
  }

  int16(value: number): void {
    this.#reserve(2);
    this.#length = this.#bytes.writeInt16BE(value, this.#length);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#put32(value, this.#length);
    this.#length += 4;
  }

  /** Whole numbers up to 2^53; two halves cost less than a BigInt. */
  int64(value: number): void {
    this.#reserve(8);
    const high = Math.floor(value / TWO_TO_32);
    this.#put32(high, this.#length);
    this.#put32(value - high * TWO_TO_32, this.#length + 4);
    this.#length += 8;
  }

  microseconds(milliseconds: number): void {
    const value = milliseconds * 1000;
    if (Number.isSafeInteger(value)) return this.int64(value);
    this.#reserve(8);
    this.#length = this.#bytes.writeBigInt64BE(BigInt(milliseconds) * 1000n, this.#length);
  }

  boolean(value: boolean): void {
    this.int32(1);
    this.#reserve(1);
    this.#length = this.#bytes.writeUInt8(value ? 1 : 0, this.#length);
  }

  bytes(value: Buffer): void {
    this.int32(value.length);
    this.raw(value);
  }

  text(value: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.#reserve(4 + value.length * 3);
    const start = this.#length + 4;
    const written = this.#putShortAscii(value, start) ? value.length : this.#putUtf8(value, start);
    this.#put32(written, this.#length);
    this.#length = start + written;
  }

  uuid(value: string): void {
    this.#reserve(20);
    this.#put32(16, this.#length);
    let at = this.#length + 4;
    for (let index = 0; index < value.length; index += 2) {
      if (value.charCodeAt(index) === HYPHEN) index += 1;
      this.#bytes[at++] = (hexDigit(value.charCodeAt(index)) << 4) | hexDigit(value.charCodeAt(index + 1));
    }
    this.#length += 20;
  }

  /** A call into the runtime costs more than a few dozen characters by hand. */
  #putShortAscii(value: string, start: number): boolean {
    if (value.length > SHORT_TEXT) return false;
    for (let index = 0; index < value.length; index += 1) {
      const unit = value.charCodeAt(index);
      if (unit === 0 || unit > 0x7f) return false;
      this.#bytes[start + index] = unit;
    }
    return true;
  }

  #putUtf8(value: string, start: number): number {
    const storable = value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
    return this.#bytes.write(storable, start, 'utf8');
  }

  #put32(value: number, at: number): void {
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** The value of a hexadecimal digit by its character code, either case. */
function hexDigit(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}
