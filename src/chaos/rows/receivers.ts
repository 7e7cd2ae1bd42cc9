import { setTimeout as delay } from 'node:timers/promises';
import { duplicatesOf } from '../checker.ts';
import { percentiles } from '../recovery.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';
import { DELIVERY, latenciesOf } from './faults.ts';

/** All webhooks of these rows answer at once, unless the row makes them do otherwise. */
const HEALTHY = () => () => ({ kind: 'respond', status: 200 }) as const;
const SETTLE_MS = 3_000;
/** Of the answers; many more in a row would open the breakers. */
const CUT_SHARE = 0.2;
/** How much slower healthy webhooks may be while others hang, and what the clock of a busy machine may add. */
const ISOLATION_FACTOR = 1.2;
const ISOLATION_SLACK_MS = 50;

function receiverDown(context: RowContext): Promise<RowReport> {
  const { stage, profile } = context;
  const k = context.profile.name === 'ci' ? 1 : context.profile.faults(1, 5);
  return underLoad(context, {
    k,
    bound: 0,
    rule: HEALTHY,
    port: stage.receiverLink.port,
    act: async ({ during }) => {
      for (let fault = 0; fault < k; fault++) {
        await during(async () => {
          await stage.receiverLink.refuse();
          // The schedule of this suite ends after some 40 s; a longer outage would make dead letters, rightly.
          await delay(Math.min(30_000, profile.lasting(600_000)));
          await stage.receiverLink.accept();
        });
        await delay(SETTLE_MS);
      }
    },
  });
}

function footprints({ stage }: FaultScene) {
  return DELIVERY.map((name) => stage.fleet.footprintOf(name));
}

function hangingReceivers(context: RowContext): Promise<RowReport> {
  const { stage, row, profile } = context;
  const webhooks = 10;
  return underLoad(context, {
    k: 3,
    bound: 0,
    webhooks,
    perSecond: 20,
    events: Math.min(400, profile.events),
    rule: HEALTHY,
    act: async (scene) => {
      const { during, measure, fail } = scene;
      const before = { atMs: Date.now(), footprints: footprints(scene) };
      await delay(5_000);
      const hungMs = Date.now();
      await during(async () => {
        for (const index of [7, 8, 9]) stage.receiver.setRule(`/${row}/${index}`, () => ({ kind: 'hang' }));
        await delay(Math.max(15_000, profile.lasting(300_000)));
      });
      const [healthy, during99] = [
        percentiles(latenciesOf(scene, before.atMs, hungMs)),
        percentiles(latenciesOf(scene, hungMs, Date.now())),
      ];
      for (const index of [7, 8, 9]) stage.receiver.setRule(`/${row}/${index}`, HEALTHY());
      const allowed = Math.max((healthy?.p99 ?? 0) * ISOLATION_FACTOR, (healthy?.p99 ?? 0) + ISOLATION_SLACK_MS);
      measure('healthyP99Ms', healthy?.p99 ?? null);
      measure('healthyP99WhileOthersHangMs', during99?.p99 ?? null);
      if ((during99?.p99 ?? Number.POSITIVE_INFINITY) > allowed) fail(`healthy webhooks got slower than ${allowed} ms`);
      const after = footprints(scene);
      const grew = after.map(({ memoryBytes }, index) => memoryBytes / (before.footprints[index]?.memoryBytes ?? 1));
      measure('memoryGrowth', Math.round(Math.max(...grew) * 100) / 100);
      measure(
        'descriptorsMore',
        Math.max(...after.map((one, index) => one.descriptors - (before.footprints[index]?.descriptors ?? 0))),
      );
    },
  });
}

function resetAfterAcceptance(context: RowContext): Promise<RowReport> {
  const { stage, row, profile, random } = context;
  const k = profile.name === 'ci' ? 200 : 1_000;
  let cut = 0;
  return underLoad(context, {
    k,
    // Each cut request goes out twice at the most: once more on a fresh connection, once more by the schedule.
    bound: 2 * k,
    rule: HEALTHY,
    port: stage.receiverLink.port,
    unrecorded: k,
    act: async ({ during, measure }) => {
      const count = stage.receiverLink.cutAnswers(
        { matches: (request) => request.includes('webhook-id') && random() < CUT_SHARE, afterBytes: 0 },
        k,
      );
      await during(async () => {
        for (let waited = 0; count.done < k && waited < 600; waited++) await delay(100);
      });
      cut = count.done;
      count.disarm();
      measure('cut', cut);
    },
    judge: (findings, { fail, measure }) => {
      const requests = stage.receiver.requestsOf(row);
      measure('repeatsOfCut', duplicatesOf(requests));
      if (cut === 0) fail('no answer was cut');
      if (findings.duplicates > 2 * cut) fail(`${findings.duplicates} duplicates of ${cut} cut answers`);
    },
  });
}

export const RECEIVER_ROWS: readonly Row[] = [
  {
    id: 'C22',
    fault: 'down, then up again',
    component: 'receiver',
    group: 'one broker',
    expected: 'everything is delivered by the schedule, no retry is early',
    run: receiverDown,
  },
  {
    id: 'C23',
    fault: 'three of ten webhooks hang for ever',
    component: 'receiver',
    group: 'one broker',
    expected: 'p99 of healthy webhooks ≤ 1.2 × before (and 50 ms for the clock of a busy machine)',
    run: hangingReceivers,
  },
  {
    id: 'C24',
    fault: 'accepts, but the connection is reset before we read it',
    component: 'receiver',
    group: 'one broker',
    expected: 'duplicates ≤ 2 × cut answers, all with the same id',
    run: resetAfterAcceptance,
  },
];
