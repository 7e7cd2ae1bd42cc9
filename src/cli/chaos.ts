import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ROWS } from '../chaos/catalogue.ts';
import { PROFILES } from '../chaos/profile.ts';
import type { Row } from '../chaos/row.ts';
import { soakRow } from '../chaos/rows/soak.ts';
import { type RowResult, runSuite } from '../chaos/run.ts';
import { markdownTable } from '../chaos/table.ts';
import type { Command } from './command.ts';
import { listenForStop } from './stop-signals.ts';

const USAGE = `posthorn chaos [--rows C1,C2] [--size ci|full|nightly] [--seed N] [--logs DIR] [--list]

Injects faults while events flow and compares what was published with what arrived: starts servers and one process per role
behind bad networks, kills, freezes and cuts, and prints one JSON document per row.

  --rows R     rows to run, with commas; all of them unless given
  --size S     ci (short, the default), full or nightly
  --seed N     decides everything that is random about the faults; printed with each row
  --logs DIR   keep the logs of servers and processes there
  --soak M     instead of the rows: M minutes under steady load with a random fault every minute
  --table F    print the results in file F, one JSON document a line, as a Markdown table
  --list       the rows and what each of them promises, without running them
`;

/** `posthorn chaos`: the fault suite. */
export const chaosCommand: Command = {
  name: 'chaos',
  summary: 'inject faults and prove that nothing is lost',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        rows: { type: 'string', default: ROWS.map(({ id }) => id).join(',') },
        size: { type: 'string', default: 'ci' },
        seed: { type: 'string', default: String(randomInt(1_000_000)) },
        logs: { type: 'string' },
        soak: { type: 'string' },
        table: { type: 'string' },
        list: { type: 'boolean', default: false },
      },
    });
    if (values.table !== undefined) return printTable(values.table);
    const minutes = Number(values.soak ?? 1);
    const wanted = values.rows.split(',').map((id) => id.trim().toUpperCase());
    const unknown = wanted.filter((id) => !ROWS.some((row) => row.id === id));
    const profile = Object.values(PROFILES).find(({ name }) => name === values.size);
    const seed = Number(values.seed);
    if (unknown.length > 0 || profile === undefined || !Number.isInteger(seed) || !(minutes >= 1)) {
      console.error(unknown.length > 0 ? `--rows: there is no ${unknown.join(', ')}` : USAGE);
      return 2;
    }
    const rows = values.soak === undefined ? ROWS.filter(({ id }) => wanted.includes(id)) : [soakRow(minutes)];
    if (values.list) return list(rows);
    const stop = listenForStop();
    try {
      const failed = await runSuite({
        rows,
        profile,
        seed,
        progress: (line) => console.error(line),
        print: (result) => console.log(JSON.stringify(result)),
        signal: stop.signal,
        logFolder: values.logs ?? null,
      });
      return stop.signal.aborted ? STOPPED : Math.min(1, failed);
    } finally {
      stop.dispose();
    }
  },
};

/** What shells report for a program that SIGINT ended. */
const STOPPED = 130;

function printTable(file: string): number {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  console.log(markdownTable(lines.map((line): RowResult => JSON.parse(line))));
  return 0;
}

function list(rows: readonly Row[]): number {
  for (const { id, component, fault, expected, run, impossible } of rows) {
    const missing = run === undefined && impossible === undefined ? ' (not built yet)' : '';
    console.log(`${id.padEnd(4)} ${component}: ${fault}${missing}\n     ${expected}`);
  }
  return 0;
}
