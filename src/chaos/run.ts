import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Profile } from './profile.ts';
import { seededRandom } from './random.ts';
import type { Group, Row, RowReport } from './row.ts';
import { type Stage, setStage } from './stage.ts';

/** The result of a row, as one line of JSON. */
export interface RowResult extends Partial<RowReport> {
  readonly row: string;
  readonly fault: string;
  readonly profile: Profile['name'];
  readonly seed: number;
  readonly seconds: number;
  /** `passed`, `failed`, `not built yet`, or `not possible here: why`. */
  readonly status: string;
}

export interface SuiteOptions {
  readonly rows: readonly Row[];
  readonly profile: Profile;
  readonly seed: number;
  readonly progress: (line: string) => void;
  readonly print: (result: RowResult) => void;
  readonly signal: AbortSignal;
  /** Where the logs of servers and processes go; null keeps none. */
  readonly logFolder: string | null;
}

const STAGES: Readonly<Record<Exclude<Group, 'none'>, { brokers: number; hasSmallDisks: boolean }>> = {
  'one broker': { brokers: 1, hasSmallDisks: false },
  'three brokers': { brokers: 3, hasSmallDisks: false },
  'small disks': { brokers: 1, hasSmallDisks: true },
};

/** Runs rows group by group, one after the other; resolves with the number of those that failed. */
export async function runSuite(options: SuiteOptions): Promise<number> {
  const results: RowResult[] = [];
  const note = (result: RowResult) => {
    results.push(result);
    options.print(result);
  };
  for (const group of new Set(options.rows.map((row) => row.group))) {
    const runnable: Row[] = [];
    for (const row of options.rows.filter((candidate) => candidate.group === group)) {
      const status = await obstacleOf(row);
      if (status === null) runnable.push(row);
      else note({ ...headOf(row, options), seconds: 0, status });
    }
    if (group !== 'none' && runnable.length > 0) await runGroup(group, runnable, { ...options, print: note });
  }
  return results.filter(({ status }) => status === 'failed').length;
}

async function obstacleOf({ run, impossible }: Row): Promise<string | null> {
  if (run === undefined && impossible === undefined) return 'not built yet';
  const why = (await impossible?.()) ?? null;
  return why === null ? null : `not possible here: ${why}`;
}

async function runGroup(group: Exclude<Group, 'none'>, rows: readonly Row[], options: SuiteOptions): Promise<void> {
  const { profile, progress } = options;
  progress(`group "${group}": starting servers`);
  const stage = await setStage({ ...STAGES[group], profile, progress }).catch((error: unknown) => {
    const failures = [`the servers of the group could not be started: ${String(error)}`];
    for (const row of rows) options.print({ ...headOf(row, options), failures, seconds: 0, status: 'failed' });
  });
  if (stage === undefined) return;
  try {
    for (const row of rows) {
      if (options.signal.aborted) return;
      options.progress(`${row.id}: ${row.component}, ${row.fault}`);
      options.print(await runRow(row, stage, options));
    }
  } finally {
    keepLogs(stage, rows, options.logFolder);
    await stage.close();
  }
}

/** Also the receiver's ledger, one line per request. */
function keepLogs({ servers, receiver }: Stage, rows: readonly Row[], logFolder: string | null): void {
  if (logFolder === null) return;
  mkdirSync(logFolder, { recursive: true });
  for (const { id } of rows) {
    const lines = receiver.requestsOf(id).map((request) => `${JSON.stringify(request)}\n`);
    writeFileSync(join(logFolder, `ledger-${id}.jsonl`), lines.join(''));
  }
  for (const folder of [servers.folder, servers.kafka.dataDir]) {
    cpSync(join(folder, 'logs'), logFolder, { recursive: true });
  }
}

async function runRow(row: Row, stage: Stage, options: SuiteOptions): Promise<RowResult> {
  const startedMs = performance.now();
  const { profile, seed, progress } = options;
  const head = headOf(row, options);
  const seconds = () => Math.round((performance.now() - startedMs) / 100) / 10;
  try {
    const random = seededRandom(seed + Number(row.id.slice(1)) * 7919);
    const report = await row.run?.({ row: row.id, seed, random, profile, stage, progress });
    const status = report !== undefined && report.failures.length === 0 ? 'passed' : 'failed';
    return { ...head, ...report, seconds: seconds(), status };
  } catch (error) {
    const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { ...head, failures: [sentence], seconds: seconds(), status: 'failed' };
  }
}

function headOf({ id, fault, component }: Row, { profile, seed }: SuiteOptions) {
  return { row: id, fault: `${component}: ${fault}`, profile: profile.name, seed };
}
