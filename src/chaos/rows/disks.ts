import { setTimeout as delay } from 'node:timers/promises';
import { callApi } from '../../bench/api.ts';
import { REPEATS_PER_KILL } from '../profile.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { smallDiskObstacle } from '../small-disk.ts';
import { underLoad } from '../under-load.ts';

const SETTLE_MS = 5_000;

function databaseDisk(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 1,
    bound: 0,
    act: async ({ stage, during, profile, access, measure }) => {
      await during(async () => {
        stage.disks?.postgres.fill();
        await delay(profile.lasting(30_000));
        const webhook = { event_type: 'case.opened', webhook_url: 'http://localhost:9/full' };
        const answer = await callApi(access, 'POST', '/api/v1/webhooks/', webhook).then(() => '201', String);
        measure('apiAnsweredWhileFull', /: (\d{3}) /.exec(answer)?.[1] ?? answer.slice(0, 80));
        stage.disks?.postgres.free();
      });
      // PostgreSQL may have ended itself; whoever runs it starts it again.
      await stage.servers.postgres.start();
      await delay(SETTLE_MS);
    },
  });
}

function brokerDisk(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 1,
    bound: 2 * REPEATS_PER_KILL,
    unrecorded: 2 * REPEATS_PER_KILL,
    act: async ({ stage, during, profile, measure }) => {
      const [broker] = stage.servers.kafka.brokers;
      await during(async () => {
        stage.disks?.kafka.fill();
        await delay(profile.lasting(30_000));
        stage.disks?.kafka.free();
      });
      // A broker whose log folder failed ends itself; whoever runs it starts it again.
      await delay(SETTLE_MS);
      const hasEnded = broker?.isRunning === false;
      measure('brokerEnded', hasEnded);
      await broker?.start();
    },
  });
}

export const DISK_ROWS: readonly Row[] = [
  {
    id: 'C20',
    fault: 'disk full',
    component: 'PostgreSQL',
    group: 'small disks',
    expected: 'deliveries go on; once there is space the recorder catches up, every request has a row',
    impossible: smallDiskObstacle,
    run: databaseDisk,
  },
  {
    id: 'C21',
    fault: 'disk full',
    component: 'broker',
    group: 'small disks',
    expected: 'producers see errors; nothing that was acknowledged is lost',
    impossible: smallDiskObstacle,
    run: brokerDisk,
  },
];

/** Rows that only a person with more than this checkout can run. */
export const IMPOSSIBLE_ROWS: readonly Row[] = [
  {
    id: 'C31',
    fault: 'two versions side by side, then rollback',
    component: 'deployment',
    group: 'none',
    expected: 'both read what the other writes',
    impossible: async () => 'there is only one version so far',
  },
];
