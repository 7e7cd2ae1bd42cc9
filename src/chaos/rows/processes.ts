import { setTimeout as delay } from 'node:timers/promises';
import { REPEATS_PER_KILL, ROUTER_UNCOMMITTED, SLOW_REQUESTS, YOUNG_REQUESTS } from '../profile.ts';
import type { Row, RowContext } from '../row.ts';
import { FLEET } from '../stage.ts';
import { type FaultScene, underLoad } from '../under-load.ts';

const IN_FLIGHT = YOUNG_REQUESTS + SLOW_REQUESTS;
/** Time between two kills, beyond what the restart takes: long enough that the group is whole again. */
const BETWEEN_MS = 1_000;

/** Session timeout and ten seconds: what a group may take to go on without a member. */
export function recoverWithin({ profile }: RowContext): number {
  return profile.sessionTimeoutMs / 1000 + 10;
}

async function killAndRestart(
  { stage, during, random }: FaultScene,
  names: readonly string[],
  times: number,
): Promise<void> {
  for (let kill = 0; kill < times; kill++) {
    const name = names[kill % names.length] ?? '';
    await delay(BETWEEN_MS * random());
    await during(() => stage.fleet.kill(name));
    await stage.fleet.restart(name);
    await delay(BETWEEN_MS);
  }
}

const DELIVERY = ['delivery-0', 'delivery-1'] as const;

export const PROCESS_ROWS: readonly Row[] = [
  {
    id: 'C1',
    fault: 'SIGKILL at random times',
    component: 'delivery',
    group: 'one broker',
    expected: 'duplicates ≤ kills × (in flight + uncommitted); the rate is back within session timeout + 10 s',
    run: (context) => {
      const k = context.profile.faults(5, 50);
      return underLoad(context, {
        k,
        bound: k * REPEATS_PER_KILL,
        unrecorded: k * IN_FLIGHT,
        recoverWithin: recoverWithin(context),
        act: (scene) => killAndRestart(scene, DELIVERY, k),
      });
    },
  },
  {
    id: 'C2',
    fault: 'SIGTERM, rolling restart',
    component: 'delivery',
    group: 'one broker',
    expected: 'no duplicate, no unrecorded attempt, exit code 0 within the stop deadline + 5 s',
    run: (context) => {
      const k = context.profile.faults(5, 50);
      return underLoad(context, {
        k,
        bound: 0,
        recoverWithin: recoverWithin(context),
        act: async ({ stage, during, measure, fail }) => {
          let longest = 0;
          for (let stop = 0; stop < k; stop++) {
            const name = DELIVERY[stop % 2] ?? 'delivery-0';
            await during(async () => {
              const { code, seconds } = await stage.fleet.stop(name);
              longest = Math.max(longest, seconds);
              if (code !== 0) fail(`${name} ended with exit code ${code}`);
            });
            await stage.fleet.restart(name);
            await delay(BETWEEN_MS);
          }
          measure('stopSeconds', Math.round(longest * 10) / 10);
          if (longest > 30) fail(`a stop took ${longest} s`);
        },
      });
    },
  },
  {
    id: 'C6',
    fault: 'SIGKILL',
    component: 'router',
    group: 'one broker',
    expected: 'no delivery missing; deliveries that are made twice are suppressed or counted',
    run: (context) => {
      const k = context.profile.faults(5, 50);
      return underLoad(context, {
        k,
        bound: k * ROUTER_UNCOMMITTED * context.profile.webhooks,
        recoverWithin: recoverWithin(context),
        act: (scene) => killAndRestart(scene, ['router'], k),
      });
    },
  },
  {
    id: 'C7',
    fault: 'SIGKILL while a tier message waits',
    component: 'retry mover',
    group: 'one broker',
    expected: 'no retry is lost and none is early',
    run: (context) => {
      const k = context.profile.faults(5, 50);
      return underLoad(context, {
        k,
        bound: k * ROUTER_UNCOMMITTED,
        // Every event waits in a tier once.
        rule:
          () =>
          ({ attempt }) => ({ kind: 'respond', status: attempt === 1 ? 500 : 200 }),
        act: (scene) => killAndRestart(scene, ['retry'], k),
      });
    },
  },
  {
    id: 'C8',
    fault: 'SIGKILL',
    component: 'recorder',
    group: 'one broker',
    expected: 'no duplicate at receivers; after it caught up every request has one attempt row',
    run: (context) => {
      const k = context.profile.faults(5, 50);
      return underLoad(context, { k, bound: 0, act: (scene) => killAndRestart(scene, ['recorder'], k) });
    },
  },
  {
    id: 'C10',
    fault: 'all processes killed at once, started again in random order',
    component: 'all',
    group: 'one broker',
    expected: 'duplicates ≤ kills × (delivery processes × (in flight + uncommitted) + router × fan-out)',
    run: (context) => {
      const k = context.profile.faults(2, 10);
      return underLoad(context, {
        k,
        bound: k * (2 * REPEATS_PER_KILL + ROUTER_UNCOMMITTED * context.profile.webhooks + ROUTER_UNCOMMITTED),
        unrecorded: k * 2 * IN_FLIGHT,
        act: async ({ stage, during, random }) => {
          for (let kill = 0; kill < k; kill++) {
            await during(() =>
              Promise.all(Object.keys(FLEET).map((name) => stage.fleet.kill(name))).then(() => undefined),
            );
            const order = Object.entries(FLEET).toSorted(() => random() - 0.5);
            await stage.fleet.ensure(Object.fromEntries(order));
            await delay(2 * BETWEEN_MS);
          }
        },
      });
    },
  },
];
