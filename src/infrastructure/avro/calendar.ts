import { MappingError } from './mapping-error.ts';
import type { TimestampDigits } from './schema-model.ts';

const DAY_MS = 86_400_000;
const MAX_YEAR_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const MIN_YEAR_MS = -62_167_219_200_000; // 0000-01-01T00:00:00Z

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?$/;
const ZONED = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)(Z|[+-]\d{2}:\d{2})$/i;
const LOCAL = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)$/;

/** ISO 8601 text of an Avro timestamp, with as many decimals as its unit has; `Z` unless it is a local one. */
export function formatTimestamp(value: number | bigint, digits: TimestampDigits, local: boolean): string {
  if (digits === 3) return isoMilliseconds(Number(value)).slice(0, local ? -1 : 24);
  const { whole, rest } = split(BigInt(value), 10n ** BigInt(digits - 3));
  const text = isoMilliseconds(Number(whole)).slice(0, -1);
  return `${text}${rest.toString().padStart(digits - 3, '0')}${local ? '' : 'Z'}`;
}

/** The Avro value of ISO 8601 text; decimals beyond the unit are refused, never rounded. */
export function parseTimestamp(text: string, digits: TimestampDigits, local: boolean): number | bigint {
  const match = (local ? LOCAL : ZONED).exec(text);
  if (match === null) throw new MappingError(`must be an ISO 8601 time ${local ? 'without' : 'with'} an offset`);
  const dayMs = parseDate(match[1] ?? '') * DAY_MS - offsetMs(match[3] ?? 'Z');
  const unitsPerMs = 10n ** BigInt(digits - 3);
  const value = BigInt(dayMs) * unitsPerMs + BigInt(parseTime(match[2] ?? '', digits));
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** `HH:MM:SS.mmm` or `.uuuuuu` of units since midnight. */
export function formatTime(value: number, digits: 3 | 6): string {
  const perSecond = 10 ** digits;
  const seconds = Math.floor(value / perSecond);
  if (value < 0 || seconds >= 86_400) throw new MappingError(`${value} is not a time of day`);
  const clock = new Date(seconds * 1000).toISOString().slice(11, 19);
  return `${clock}.${String(value % perSecond).padStart(digits, '0')}`;
}

/** Units since midnight of `HH:MM:SS` with up to `digits` decimals; 9 digits may exceed nothing a number can hold. */
export function parseTime(text: string, digits: TimestampDigits): number {
  const match = TIME.exec(text);
  if (match === null) throw new MappingError('must be a time of day such as 09:30:00.000');
  const fraction = match[4] ?? '';
  if (fraction.length > digits) throw new MappingError(`has more than ${digits} decimals`);
  const seconds = Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
  return seconds * 10 ** digits + Number(fraction.padEnd(digits, '0'));
}

/** `YYYY-MM-DD` of days since 1970-01-01. */
export function formatDate(days: number): string {
  return isoMilliseconds(days * DAY_MS).slice(0, 10);
}

/** Days since 1970-01-01 of `YYYY-MM-DD`; a day that no month has is refused. */
export function parseDate(text: string): number {
  const match = DATE.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(`${text}T00:00:00Z`);
  // Date.parse refuses 2026-13-01 but takes 2026-02-30 for 2 March: hence the way back.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text) {
    throw new MappingError('must be a date such as 2026-01-31');
  }
  return ms / DAY_MS;
}

function isoMilliseconds(ms: number): string {
  // Beyond year 9999 ISO 8601 needs a sign and six digits, which most receivers cannot read.
  if (!(ms >= MIN_YEAR_MS && ms <= MAX_YEAR_MS)) throw new MappingError('is a time outside the years 0000 to 9999');
  return new Date(ms).toISOString();
}

function offsetMs(offset: string): number {
  if (offset.toUpperCase() === 'Z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(4, 6));
  if (hours > 23 || minutes > 59) throw new MappingError(`has the impossible offset ${offset}`);
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** Division that rounds down, so that instants before 1970 keep a positive fraction. */
function split(value: bigint, divisor: bigint): { whole: bigint; rest: bigint } {
  const rest = ((value % divisor) + divisor) % divisor;
  return { whole: (value - rest) / divisor, rest };
}
