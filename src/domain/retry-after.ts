/** A receiver may ask for no more than this. */
export const MAX_RETRY_AFTER_MS = 86_400_000;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})';
/** The three date forms of RFC 9110 §5.6.7. `Date.parse` is no help: it makes a date of almost any text with a number in it. */
const IMF_FIXDATE = new RegExp(`^[A-Z][a-z]{2}, (\\d{2}) ([A-Z][a-z]{2}) (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(`^[A-Z][a-z]+day, (\\d{2})-([A-Z][a-z]{2})-(\\d{2}) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \\d]\\d) ${TIME} (\\d{4})$`);

/**
 * Milliseconds from now that a `Retry-After` asks for, at most 24 h, or null when it is missing, junk or in the past.
 * Seconds and HTTP dates are both read.
 */
export function parseRetryAfter(value: string | readonly string[] | undefined, nowMs: number): number | null {
  const text = (typeof value === 'string' ? value : value?.[0])?.trim();
  if (text === undefined) return null;
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_AFTER_MS);
  const dateMs = parseHttpDate(text, nowMs);
  if (dateMs === null || dateMs <= nowMs) return null;
  return Math.min(dateMs - nowMs, MAX_RETRY_AFTER_MS);
}

/** The wait that results: what was asked for, but never sooner than the schedule's own delay and never later than 24 h. */
export function clampRetryAfter(askedMs: number | null, tierDelayMs: number): number {
  return Math.max(tierDelayMs, Math.min(askedMs ?? 0, MAX_RETRY_AFTER_MS));
}

function parseHttpDate(text: string, nowMs: number): number | null {
  const imf = IMF_FIXDATE.exec(text);
  if (imf !== null) return instant(Number(imf[3]), imf[2], imf[1], imf.slice(4));
  const rfc850 = RFC_850.exec(text);
  if (rfc850 !== null) return instant(fullYear(Number(rfc850[3]), nowMs), rfc850[2], rfc850[1], rfc850.slice(4));
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) return instant(Number(asctime[6]), asctime[1], asctime[2], asctime.slice(3, 6));
  return null;
}

function instant(year: number, month = '', day = '', time: readonly string[] = []): number | null {
  const monthIndex = MONTHS.indexOf(month);
  const [hours, minutes, seconds] = time.map(Number);
  const dayOfMonth = Number(day.trim());
  if (monthIndex < 0 || hours === undefined || minutes === undefined || seconds === undefined) return null;
  if (dayOfMonth < 1 || dayOfMonth > 31 || hours > 23 || minutes > 59 || seconds > 60) return null;
  return Date.UTC(year, monthIndex, dayOfMonth, hours, minutes, seconds);
}

/** Two-digit years that seem more than 50 years ahead lie in the past (RFC 9110 §5.6.7). */
function fullYear(twoDigits: number, nowMs: number): number {
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}
