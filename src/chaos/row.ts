import type { Profile } from './profile.ts';
import type { Stage } from './stage.ts';

/** Rows of one group share a cluster; a group is set up once. */
export type Group = 'one broker' | 'three brokers' | 'small disks' | 'none';

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** What a row found; printed as one line of JSON. Numbers that a row cannot measure are null. */
export interface RowReport {
  /** Acknowledged events. */
  readonly n: number;
  /** Faults. */
  readonly k: number;
  readonly requests: number;
  readonly lost: number;
  readonly duplicates: number;
  /** Duplicates that the row allows, computed before it runs. */
  readonly bound: number;
  readonly dead: number;
  /** From the end of the fault until 90 % of the rate before it; of several faults the longest. */
  readonly recoverySeconds: number | null;
  /** From the producer's acknowledgement to the first acceptance, by when the event was acknowledged. */
  readonly latencyMs: { before: Percentiles | null; during: Percentiles | null; after: Percentiles | null } | null;
  /** What else the row measured. */
  readonly measured: Readonly<Record<string, number | string | boolean | null>>;
  /** What was promised and not kept, in sentences; empty when the row passed. */
  readonly failures: readonly string[];
}

export interface RowContext {
  readonly row: string;
  readonly seed: number;
  readonly random: () => number;
  readonly profile: Profile;
  readonly stage: Stage;
  readonly progress: (line: string) => void;
}

/** One row of the suite. */
export interface Row {
  readonly id: string;
  readonly fault: string;
  readonly component: string;
  readonly group: Group;
  /** What must hold beyond no loss, no invention and verified signatures. */
  readonly expected: string;
  /** Why it cannot run on this machine; asked before the group starts. */
  readonly impossible?: () => Promise<string | null>;
  /** Absent while the row is not written. */
  readonly run?: (context: RowContext) => Promise<RowReport>;
}
