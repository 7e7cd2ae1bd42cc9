import { setTimeout as delay } from 'node:timers/promises';
import type { MemberPlan } from '../fleet.ts';
import type { AnswerRule } from '../ledger.ts';
import { IN_FLIGHT, REPEATS_PER_KILL } from '../profile.ts';
import { percentiles } from '../recovery.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';
import { DELIVERY, latenciesOf, recoverWithin } from './faults.ts';
import { withPreload } from './preloads.ts';

const PLAN = { roles: 'delivery' } as const;
const SETTLE_MS = 2_000;
const BLOCK_MS = 5_000;
const HEALTHY: AnswerRule = () => ({ kind: 'respond', status: 200 });

function dnsDead(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 2,
    bound: 0,
    rule: () => HEALTHY,
    hostOf: (index) => (index === 0 ? 'localhost' : `receiver${index}.posthorn-chaos.dev`),
    act: async (scene) => {
      const { stage, during, profile, measure } = scene;
      const startMs = Date.now();
      await delay(SETTLE_MS);
      const faultMs = Date.now();
      await during(async () => {
        stage.dns.set({ kind: 'silent' });
        await delay(profile.lasting(60_000));
        stage.dns.set({ kind: 'answer', delayMs: 4_000 });
        await delay(profile.lasting(60_000) / 2);
        stage.dns.set({ kind: 'answer', delayMs: 0 });
      });
      measure('p99WithoutNames', percentiles(latenciesOf(scene, startMs, faultMs))?.p99 ?? null);
      measure('p99WithoutNamesWhileDead', percentiles(latenciesOf(scene, faultMs, Date.now()))?.p99 ?? null);
    },
    judge: async (_, scene) => {
      const codes = await failureCodes(scene);
      scene.measure('failureCodes', codes.join(' '));
      if (!codes.some((code) => code.startsWith('dns_')))
        scene.fail('no attempt failed with a code of name resolution');
    },
  });
}

async function failureCodes({ stage, webhooks }: FaultScene): Promise<string[]> {
  const { rows } = await stage.database.knex.raw<{ rows: { code: string }[] }>(
    'SELECT DISTINCT failure_code AS code FROM attempts WHERE failure_code IS NOT NULL AND webhook_id = ANY(?) ORDER BY 1',
    [webhooks.map(({ id }) => id)],
  );
  return rows.map(({ code }) => code);
}

/** Both delivery processes with another command line; afterwards as they were. */
async function exchange(
  { stage, during }: FaultScene,
  plan: (number: number) => MemberPlan,
  meanwhile: () => Promise<void>,
): Promise<void> {
  await during(async () => {
    for (const [number, name] of DELIVERY.entries()) {
      await stage.fleet.stop(name);
      await stage.fleet.restart(name, plan(number));
    }
    await meanwhile();
  });
  for (const name of DELIVERY) {
    await stage.fleet.stop(name);
    await stage.fleet.restart(name, PLAN);
  }
}

function wrongClock(context: RowContext): Promise<RowReport> {
  const skewMs = 120_000;
  return underLoad(context, {
    k: 2,
    bound: 4 * IN_FLIGHT,
    unrecorded: 4 * IN_FLIGHT,
    dated: false,
    act: async (scene) => {
      scene.measure('skewSeconds', skewMs / 1000);
      await exchange(
        scene,
        (number) => withPreload(PLAN, 'shifted-clock', { offsetMs: String(number === 0 ? skewMs : -skewMs) }),
        () => delay(scene.profile.lasting(20_000)),
      );
    },
  });
}

function scarce(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 1,
    bound: 4 * IN_FLIGHT,
    unrecorded: 4 * IN_FLIGHT,
    act: (scene) =>
      exchange(
        scene,
        () => ({
          ...PLAN,
          runWith: ['/bin/sh', '-c', 'ulimit -n 256; exec "$0" "$@"'],
          nodeArgs: ['--max-old-space-size=256'],
        }),
        async () => {
          await delay(scene.profile.lasting(60_000));
          for (const name of DELIVERY) if (!scene.stage.fleet.isRunning(name)) scene.fail(`${name} has ended`);
        },
      ),
  });
}

function blockedLoop(context: RowContext): Promise<RowReport> {
  const k = context.profile.faults(10, 10);
  return underLoad(context, {
    k,
    bound: k * REPEATS_PER_KILL + 4 * IN_FLIGHT,
    unrecorded: (k + 4) * IN_FLIGHT,
    dated: false,
    recoverWithin: recoverWithin(context),
    act: async (scene) => {
      await exchange(
        scene,
        () => withPreload(PLAN, 'blocked-loop', { blockMs: String(BLOCK_MS) }),
        async () => {
          for (let block = 0; block < k; block++) {
            scene.stage.fleet.signal(DELIVERY[block % 2] ?? 'delivery-0', 'SIGUSR2');
            await delay(BLOCK_MS + SETTLE_MS);
          }
        },
      );
    },
  });
}

export const MACHINE_ROWS: readonly Row[] = [
  {
    id: 'C25',
    fault: 'silent, then slow',
    component: 'name resolution',
    group: 'one broker',
    expected: 'attempts fail with a code of name resolution and are retried; webhooks without names do not notice',
    run: dnsDead,
  },
  {
    id: 'C26',
    fault: 'two minutes fast in one process, two minutes slow in the other',
    component: 'clock',
    group: 'one broker',
    expected: 'every signature verifies within the tolerance of the official library, nothing is lost',
    run: wrongClock,
  },
  {
    id: 'C32',
    fault: '256 file descriptors and 256 MB of heap',
    component: 'delivery',
    group: 'one broker',
    expected: 'it goes on and loses nothing',
    run: scarce,
  },
  {
    id: 'C33',
    fault: 'event loop blocked for 5 s',
    component: 'delivery',
    group: 'one broker',
    expected: 'heartbeats survive or the group recovers',
    run: blockedLoop,
  },
];
