import { keyOf } from './checker.ts';
import type { Request } from './ledger.ts';
import type { ProducedEvent } from './load.ts';
import type { Percentiles, RowReport } from './row.ts';

/** The time of one fault, epoch milliseconds. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

const WINDOW_MS = 1_000;
const STEP_MS = 100;
const BASE_MS = 2_500;
const RECOVERED_SHARE = 0.9;

/**
 * Seconds from the end of a fault until a whole second in which as many requests were accepted as 90 % of the rate before
 * the first fault; the longest of all faults. Null when there was no fault or it never came.
 */
export function recoverySeconds(requests: readonly Request[], spans: readonly Span[]): number | null {
  const [first] = spans;
  if (first === undefined) return null;
  const atMs = requests.filter(({ answer }) => answer === 'accepted').map((request) => request.atMs);
  const between = (fromMs: number, toMs: number) => atMs.filter((at) => at >= fromMs && at < toMs).length;
  const wanted = (between(first.startMs - BASE_MS, first.startMs) / BASE_MS) * WINDOW_MS * RECOVERED_SHARE;
  const lastMs = atMs.at(-1) ?? 0;
  let longest = 0;
  for (const { endMs } of spans) {
    let fromMs = endMs;
    while (between(fromMs, fromMs + WINDOW_MS) < wanted) {
      fromMs += STEP_MS;
      if (fromMs > lastMs) return null;
    }
    longest = Math.max(longest, (fromMs - endMs) / 1000);
  }
  return longest;
}

/** Latencies from acknowledgement to first acceptance of all webhooks, by the time of the acknowledgement. */
export function latencies(
  events: ReadonlyMap<string, ProducedEvent>,
  requests: readonly Request[],
  spans: readonly Span[],
): RowReport['latencyMs'] {
  const [first] = spans;
  const last = spans.at(-1);
  if (first === undefined || last === undefined) return null;
  const parts = { before: [] as number[], during: [] as number[], after: [] as number[] };
  const seen = new Set<string>();
  for (const request of requests) {
    const ackedAtMs = events.get(request.eventId)?.ackedAtMs ?? null;
    if (request.answer !== 'accepted' || ackedAtMs === null || seen.has(keyOf(request))) continue;
    seen.add(keyOf(request));
    const part = ackedAtMs < first.startMs ? parts.before : ackedAtMs > last.endMs ? parts.after : parts.during;
    part.push(request.atMs - ackedAtMs);
  }
  return { before: percentiles(parts.before), during: percentiles(parts.during), after: percentiles(parts.after) };
}

export function percentiles(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99) };
}
