import type { RowResult } from './run.ts';

/** Results as the table of the documentation, in Markdown. */
export function markdownTable(results: readonly RowResult[]): string {
  const head = [
    'row',
    'fault',
    'faults',
    'events',
    'lost',
    'duplicates',
    'allowed',
    'dead letters',
    'back after',
    'p99 before / during / after',
    'result',
  ];
  const rows = results.map((result) => [
    result.row,
    result.fault,
    cell(result.k),
    cell(result.n),
    cell(result.lost),
    cell(result.duplicates),
    cell(result.bound),
    cell(result.dead),
    typeof result.recoverySeconds === 'number' ? `${result.recoverySeconds} s` : '',
    latencyCell(result.latencyMs),
    result.status,
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function cell(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

function latencyCell(latency: RowResult['latencyMs']): string {
  if (latency === undefined || latency === null) return '';
  const parts = [latency.before, latency.during, latency.after];
  return parts.map((part) => (part === null ? '–' : String(Math.round(part.p99)))).join(' / ');
}
