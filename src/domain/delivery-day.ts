const OLDEST_MS = 7 * 86_400_000;
const NEWEST_MS = 3_600_000;

/**
 * The time that names the day of a delivery's rows: when its event reached Kafka, so that a repeat of the router names
 * the same day. Producers may set any timestamp; one that is older than a week or more than an hour ahead is replaced
 * by now, because its day would be dropped at once or kept for ever.
 */
export function createdAtMs(recordTimestampMs: number, nowMs: number): number {
  const isPlausible = recordTimestampMs > nowMs - OLDEST_MS && recordTimestampMs < nowMs + NEWEST_MS;
  return isPlausible ? recordTimestampMs : nowMs;
}
