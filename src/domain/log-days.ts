const DAY_MS = 86_400_000;
/** 9999-12-31: the last day that ISO 8601 writes with four digits. */
const LAST_MS = 253_402_300_799_999;
/** Clocks of producers run ahead, and the days to come are made before they begin. */
const DAYS_AHEAD = 2;

/** Days since 1970-01-01, UTC. */
export type LogDay = number;

/** A time that every table can hold: before 1970 becomes 1970, beyond the year 9999 becomes its end. Depends on nothing else. */
export function storableMs(timeMs: number): number {
  if (!(timeMs > 0)) return 0;
  return Math.min(Math.trunc(timeMs), LAST_MS);
}

/** The day that a row belongs to: the one in the record, never today, so that a repeat meets its own row. */
export function dayOf(timeMs: number): LogDay {
  return Math.floor(storableMs(timeMs) / DAY_MS);
}

/** `2026-11-23` */
export function dayName(day: LogDay): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** The days that have partitions of their own; the rows of all others lie together, with their day as it is. */
export interface DayWindow {
  readonly first: LogDay;
  readonly last: LogDay;
}

/** From the oldest day that is kept to two days ahead: a bound, because timestamps of events are the producers'. */
export function dayWindow(nowMs: number, retentionDays: number): DayWindow {
  const today = dayOf(nowMs);
  return { first: Math.max(0, today - retentionDays), last: today + DAYS_AHEAD };
}
