import type { DemoArrival, DemoLedger, DemoTotals } from '../../local/demo-ledger.ts';

const WIDTHS = { type: 34, webhook: 10, status: 6, attempt: 7, latency: 6 } as const;

/** The heading over the rows. */
export const HEADING = [
  'EVENT TYPE'.padEnd(WIDTHS.type),
  'WEBHOOK'.padEnd(WIDTHS.webhook),
  'STATUS'.padStart(WIDTHS.status),
  'ATTEMPT'.padStart(WIDTHS.attempt),
  'MS'.padStart(WIDTHS.latency),
  'SIGNATURE',
].join(' ');

const VERDICTS = { verified: 'verified', refused: 'REFUSED', no_secret: 'not ours' } as const;

/** One line of the table; what came over the network cannot move the cursor. */
export function rowFor(arrival: DemoArrival): string {
  const latency = arrival.latencyMs === null ? '–' : String(Math.round(arrival.latencyMs));
  return [
    fitted(arrival.type, WIDTHS.type),
    fitted(arrival.webhook, WIDTHS.webhook),
    String(arrival.status).padStart(WIDTHS.status),
    String(arrival.attempt).padStart(WIDTHS.attempt),
    latency.padStart(WIDTHS.latency),
    VERDICTS[arrival.verified],
  ]
    .join(' ')
    .replaceAll(/\p{C}/gu, '?');
}

function fitted(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width);
}

/** The totals in one line. */
export function totalsLine(totals: DemoTotals): string {
  const { events, deliveries, verified, refused, retries, repeats } = totals;
  const parts = [
    `${events} events`,
    `${deliveries} deliveries`,
    `${verified} signatures verified`,
    ...(refused > 0 ? [`${refused} REFUSED`] : []),
    `${retries} retries`,
    ...(repeats > 0 ? [`${repeats} repeats`] : []),
  ];
  const latency = totals.p50Ms === null ? '' : `; first attempt after p50 ${totals.p50Ms} ms, p95 ${totals.p95Ms} ms`;
  return parts.join(', ') + latency;
}

/** What went wrong in a round, one line each; empty when nothing did. */
export function flawLines(ledger: DemoLedger): readonly string[] {
  const { refused } = ledger.totals();
  return [
    ...ledger.missing().map(({ type, webhook, eventId }) => `missing: ${type} at ${webhook} (${eventId})`),
    ...ledger.unexpected().map(({ type, webhook, eventId }) => `unexpected: ${type} at ${webhook} (${eventId})`),
    ...(refused > 0 ? [`${refused} signatures were refused by the verifier`] : []),
  ];
}
