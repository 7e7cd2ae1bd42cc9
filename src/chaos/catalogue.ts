import type { Row } from './row.ts';
import { PROCESS_ROWS } from './rows/processes.ts';

const WRITTEN: readonly Row[] = [...PROCESS_ROWS];

/** Every row of the suite, in order; those that are not written are listed all the same. */
export const ROWS: readonly Row[] = WRITTEN.toSorted((a, b) => numberOf(a) - numberOf(b));

function numberOf({ id }: Row): number {
  return Number(id.slice(1));
}
