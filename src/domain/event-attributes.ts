import type { EventRejection } from './event.ts';
import { headerText, type RecordHeaders } from './record.ts';

/** The CloudEvents attributes of a record, checked. */
export interface EventAttributes {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  /** UTC, ISO 8601. */
  readonly time: string;
  readonly tenantId: string;
  readonly subject: string | null;
  readonly traceparent: string | null;
}

export type EventAttributesResult =
  | { readonly kind: 'valid'; readonly attributes: EventAttributes }
  | { readonly kind: 'invalid'; readonly rejection: EventRejection };

/** Becomes `webhook-id` on the wire, so it is held to what is safe in any header and any receiver's database. */
const EVENT_ID = /^[A-Za-z0-9_-]{1,64}$/;
const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
// Control characters break logs and PostgreSQL; U+FFFD stands where bytes were not UTF-8.
const UNSAFE = /\p{Cc}|\ufffd/u;
/** Characters per attribute: they end up in database indexes, whose rows hold some 2,700 bytes. */
const MAX_LENGTHS = { ce_type: 320, ce_source: 512, ce_tenantid: 128, ce_subject: 512, ce_time: 64 };

/** Reads the `ce_*` headers of CloudEvents 1.0 in binary mode (Kafka binding), with our extension `ce_tenantid`. */
export function readEventAttributes(headers: RecordHeaders): EventAttributesResult {
  try {
    return { kind: 'valid', attributes: attributesOf(headers) };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'invalid', rejection: error.rejection };
    throw error;
  }
}

/** RFC 3339 as the same instant in UTC, keeping the decimals it came with; null when it is not a time. */
export function toUtcTime(text: string): string | null {
  const match = RFC_3339.exec(text);
  if (match === null) return null;
  const [, date = '', hours, minutes, seconds, fraction = '', zone = 'Z'] = match;
  const midnightMs = Date.parse(`${date}T00:00:00Z`);
  // Date.parse takes 30 February for 2 March: only a date that comes back unchanged exists.
  if (Number.isNaN(midnightMs) || new Date(midnightMs).toISOString().slice(0, 10) !== date) return null;
  const offsetMs = zoneOffsetMs(zone);
  // RFC 3339 allows second 60, a leap second; it becomes the first second of the next minute.
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 60 || offsetMs === null) return null;
  const clockMs = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000;
  const utc = new Date(midnightMs + clockMs - offsetMs).toISOString();
  return utc.length === 24 ? `${utc.slice(0, 19)}${fraction}Z` : null;
}

class Refusal extends Error {
  readonly rejection: EventRejection;
  constructor(reason: 'missing_attribute' | 'invalid_attribute', message: string) {
    super(message);
    this.rejection = { reason, message };
  }
}

function attributesOf(headers: RecordHeaders): EventAttributes {
  const version = required(headers, 'ce_specversion');
  if (version !== '1.0') throw invalid('ce_specversion', `is ${quoted(version)}; only 1.0 is supported`);
  const id = required(headers, 'ce_id');
  if (!EVENT_ID.test(id)) throw invalid('ce_id', 'must be 1 to 64 letters, digits, - or _');
  const source = bounded(headers, 'ce_source');
  if (/\s/.test(source)) throw invalid('ce_source', 'must be a URI reference, without spaces');
  const type = bounded(headers, 'ce_type');
  const time = toUtcTime(bounded(headers, 'ce_time'));
  if (time === null) throw invalid('ce_time', 'must be an RFC 3339 time such as 2026-01-19T10:30:00Z');
  const tenantId = bounded(headers, 'ce_tenantid');
  const subject = headerText(headers, 'ce_subject') === null ? null : bounded(headers, 'ce_subject');
  return { id, type, source, time, tenantId, subject, traceparent: traceparentOf(headers) };
}

/** Tracing never decides over an event: what is malformed counts as absent, as W3C Trace Context asks. */
function traceparentOf(headers: RecordHeaders): string | null {
  const text = headerText(headers, 'traceparent');
  return text !== null && TRACEPARENT.test(text) ? text : null;
}

function required(headers: RecordHeaders, name: string): string {
  const text = headerText(headers, name);
  if (text !== null) return text;
  const structured = headerText(headers, 'content-type')?.startsWith('application/cloudevents') ?? false;
  const hint = structured ? '; CloudEvents are read in binary mode, with the attributes as headers' : '';
  throw new Refusal('missing_attribute', `the header ${name} is missing${hint}`);
}

function bounded(headers: RecordHeaders, name: keyof typeof MAX_LENGTHS): string {
  const text = required(headers, name);
  if (text === '') throw invalid(name, 'is empty');
  if (text.length > MAX_LENGTHS[name]) throw invalid(name, `is longer than ${MAX_LENGTHS[name]} characters`);
  if (UNSAFE.test(text)) throw invalid(name, 'must be UTF-8 text without control characters');
  return text;
}

function invalid(name: string, problem: string): Refusal {
  return new Refusal('invalid_attribute', `${name} ${problem}`);
}

function zoneOffsetMs(zone: string): number | null {
  if (zone.toUpperCase() === 'Z') return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4, 6))];
  if (hours > 23 || minutes > 59) return null;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
