import type { Row } from './row.ts';
import { CONTROL_ROWS } from './rows/control.ts';
import { CRASH_POINT_ROWS } from './rows/crash-points.ts';
import { DATABASE_ROWS } from './rows/database.ts';
import { DISK_ROWS, IMPOSSIBLE_ROWS } from './rows/disks.ts';
import { INPUT_ROWS } from './rows/inputs.ts';
import { KAFKA_ROWS } from './rows/kafka.ts';
import { MACHINE_ROWS } from './rows/machine.ts';
import { MEMBERSHIP_ROWS } from './rows/membership.ts';
import { PROCESS_ROWS } from './rows/processes.ts';
import { RECEIVER_ROWS } from './rows/receivers.ts';
import { RECREATED_TOPIC_ROW } from './rows/recreated-topic.ts';

const WRITTEN: readonly Row[] = [
  ...CONTROL_ROWS,
  ...CRASH_POINT_ROWS,
  ...MACHINE_ROWS,
  ...PROCESS_ROWS,
  ...MEMBERSHIP_ROWS,
  ...DATABASE_ROWS,
  ...INPUT_ROWS,
  ...KAFKA_ROWS,
  ...RECEIVER_ROWS,
  ...DISK_ROWS,
  ...IMPOSSIBLE_ROWS,
  RECREATED_TOPIC_ROW,
];

/** Every row of the suite, in order; those that are not written are listed all the same. */
export const ROWS: readonly Row[] = WRITTEN.toSorted((a, b) => numberOf(a) - numberOf(b));

function numberOf({ id }: Row): number {
  return Number(id.slice(1));
}
