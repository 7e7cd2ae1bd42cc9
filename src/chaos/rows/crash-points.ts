import { setTimeout as delay } from 'node:timers/promises';
import type { AnswerRule } from '../ledger.ts';
import { totalLag } from '../positions.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';
import { withPreload } from './preloads.ts';

const HEALTHY: AnswerRule = () => ({ kind: 'respond', status: 200 });
const CRASH_TIMEOUT_MS = 30_000;
const REPEAT_TIMEOUT_MS = 60_000;

/** One crash at the point given, with a single delivery under way. */
async function crashOnce({ stage, load, during, fail }: FaultScene, at: string): Promise<void> {
  const plan = { roles: 'delivery' };
  await stage.fleet.restart('delivery-0', withPreload(plan, 'crash-point', { at }));
  const lag = () => totalLag(stage.admin, stage.names);
  await load.publishOne();
  await during(async () => {
    if (!(await stage.fleet.ended('delivery-0', CRASH_TIMEOUT_MS))) fail('the process did not reach the crash point');
  });
  stage.fleet.takeUnexpectedEnds();
  await stage.fleet.restart('delivery-0', plan);
  // The repeat must be over before the next crash, or that would hit two deliveries at once.
  for (let waitedMs = 0; waitedMs < REPEAT_TIMEOUT_MS && (await lag()) > 0; waitedMs += 100) await delay(100);
  await stage.fleet.stop('delivery-0');
}

function crashes(context: RowContext, at: 'before_outcome' | 'after_outcome'): Promise<RowReport> {
  const k = context.profile.faults(20, 200);
  return underLoad(context, {
    k,
    bound: k,
    webhooks: 1,
    perSecond: 0,
    events: k,
    rule: () => HEALTHY,
    unrecorded: at === 'before_outcome' ? k : 0,
    act: async (scene) => {
      const { fleet } = scene.stage;
      // One process only: what it has in flight when it crashes is then exactly one delivery.
      for (const name of ['delivery-0', 'delivery-1']) await fleet.stop(name);
      for (let crash = 0; crash < k; crash++) await crashOnce(scene, at);
      for (const name of ['delivery-0', 'delivery-1']) await fleet.restart(name, { roles: 'delivery' });
    },
    judge: ({ duplicates }, { fail }) => {
      if (at === 'before_outcome' && duplicates !== k) fail(`${duplicates} duplicates, exactly ${k} were due`);
    },
  });
}

export const CRASH_POINT_ROWS: readonly Row[] = [
  {
    id: 'C3',
    fault: "SIGKILL between the receiver's 200 and the outcome in the log",
    component: 'delivery',
    group: 'one broker',
    expected: 'as many duplicates as kills, no more and no fewer',
    run: (context) => crashes(context, 'before_outcome'),
  },
  {
    id: 'C4',
    fault: 'SIGKILL between the outcome in the log and the commit of the offset',
    component: 'delivery',
    group: 'one broker',
    expected: 'duplicates ≤ kills',
    run: (context) => crashes(context, 'after_outcome'),
  },
];
