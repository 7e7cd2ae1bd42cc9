import type { Measurement } from './scenario.ts';

/** The yardstick of the same run. */
export interface BareLoop {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/** The measurements as a table for people. `bare` is the rate that counts as 1.00. */
export function tableOf(measurements: readonly Measurement[], bare: BareLoop): string {
  const header = ['scenario', 'deliveries/s', 'of bare', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU µs', 'lost', 'repeated'];
  const rows = measurements.map((one) => [
    one.scenario,
    Math.round(one.deliveriesPerSecond).toLocaleString('en'),
    (one.deliveriesPerSecond / bare.perSecond).toFixed(2),
    one.latencyMs.p50.toFixed(1),
    one.latencyMs.p95.toFixed(1),
    one.latencyMs.p99.toFixed(1),
    total(one.cpuUs).toFixed(0),
    String(one.lost),
    String(one.duplicates),
  ]);
  const loop = [
    'bare undici loop',
    Math.round(bare.perSecond).toLocaleString('en'),
    '1.00',
    '',
    '',
    '',
    bare.cpuUs.toFixed(0),
    '',
    '',
  ];
  return [align([header, loop, ...rows]), '', ...measurements.map(detailOf)].join('\n');
}

function detailOf({ scenario, cpuUs, memoryMb }: Measurement): string {
  const cpu = Object.entries(cpuUs).map(([name, us]) => `${name} ${us.toFixed(0)}`);
  const memory = Object.entries(memoryMb).map(([name, mb]) => `${name} ${mb.toFixed(0)}`);
  return `${scenario}: CPU µs per delivery: ${cpu.join(' · ')}; memory MB: ${memory.join(' · ')}`;
}

function total(cpuUs: Readonly<Record<string, number>>): number {
  return Object.values(cpuUs).reduce((sum, us) => sum + us, 0);
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return rows.map(line).join('\n');
}
