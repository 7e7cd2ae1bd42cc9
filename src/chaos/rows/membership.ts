import { setTimeout as delay } from 'node:timers/promises';
import { callApi } from '../../bench/api.ts';
import { IN_FLIGHT, REPEATS_PER_KILL } from '../profile.ts';
import type { Row } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';
import { BETWEEN_MS, DELIVERY, joins, killAndRestart, recoverWithin } from './faults.ts';

export const MEMBERSHIP_ROWS: readonly Row[] = [
  {
    id: 'C5',
    fault: 'SIGSTOP for two session timeouts, then SIGCONT',
    component: 'delivery',
    group: 'one broker',
    expected: 'requests of the sleeper ≤ in flight, its commits count for nothing, it joins again by itself',
    run: (context) => {
      const k = Math.ceil(context.profile.faults(3, 20) / 2);
      return underLoad(context, {
        k,
        bound: k * REPEATS_PER_KILL,
        unrecorded: k * IN_FLIGHT,
        // A timestamp from before the sleep may arrive after it.
        dated: false,
        recoverWithin: recoverWithin(context),
        act: async ({ stage, during, profile, fail }) => {
          for (let sleep = 0; sleep < k; sleep++) {
            const name = DELIVERY[sleep % 2] ?? 'delivery-0';
            await during(async () => {
              stage.fleet.signal(name, 'SIGSTOP');
              await delay(2 * profile.sessionTimeoutMs);
              stage.fleet.signal(name, 'SIGCONT');
            });
            await delay(5 * BETWEEN_MS);
            if (!stage.fleet.isRunning(name)) fail(`${name} did not survive its sleep`);
          }
        },
      });
    },
  },
  {
    id: 'C9',
    fault: 'SIGKILL',
    component: 'API',
    group: 'one broker',
    expected: 'every webhook whose creation was answered exists afterwards; deliveries do not notice',
    run: (context) => {
      const k = context.profile.faults(5, 20);
      return underLoad(context, {
        k,
        bound: 0,
        act: async (scene) => {
          const { stage, access, fail, measure } = scene;
          const created: string[] = [];
          let isDone = false;
          const creating = createSteadily(scene, created, () => isDone);
          await killAndRestart(scene, ['api'], k);
          isDone = true;
          await creating;
          measure('created', created.length);
          await stage.fleet.ready('api');
          for (const id of created) {
            await callApi(access, 'GET', `/api/v1/webhooks/${id}/`).catch(() => fail(`webhook ${id} is gone`));
          }
        },
      });
    },
  },
  {
    id: 'C17',
    fault: 'consumers added and removed, one change at least every few seconds',
    component: 'group',
    group: 'one broker',
    expected: 'duplicates below 10 %, deliveries go on at least every ten seconds',
    run: (context) => {
      const seconds = context.profile.lasting(60_000) / 1000;
      const changes = Math.floor(seconds / 2);
      return underLoad(context, {
        k: changes,
        bound: Math.floor(context.profile.events * context.profile.webhooks * 0.1),
        act: async (scene) => {
          const { stage, row, during, fail, measure } = scene;
          const joined = joins(scene);
          let longestMs = 0;
          await during(async () => {
            for (let change = 0; change < changes; change++) {
              const name = `delivery-${2 + (change % 2)}`;
              const startMs = performance.now();
              const before = stage.receiver.requestsOf(row).length;
              if (stage.fleet.has(name) && stage.fleet.isRunning(name)) await stage.fleet.stop(name);
              else await stage.fleet.restart(name, { roles: 'delivery' });
              await delay(Math.max(0, 2_000 - (performance.now() - startMs)));
              if (stage.receiver.requestsOf(row).length === before) longestMs += performance.now() - startMs;
              else longestMs = 0;
              if (longestMs > 10_000) fail('nothing was delivered for ten seconds');
            }
          });
          measure('joins', joins(scene) - joined);
          for (const name of ['delivery-2', 'delivery-3']) if (stage.fleet.has(name)) await stage.fleet.stop(name);
        },
      });
    },
  },
];

/** Creates webhooks one after the other and notes those whose creation was answered; what is refused meanwhile does not count. */
async function createSteadily({ access, row }: FaultScene, created: string[], isDone: () => boolean): Promise<void> {
  for (let number = 0; !isDone(); number++) {
    const webhook = { event_type: 'case.opened', webhook_url: `http://localhost:9/${row}/api/${number}` };
    await callApi(access, 'POST', '/api/v1/webhooks/', webhook).then(
      ({ id }) => void created.push(String(id)),
      () => undefined,
    );
    await delay(100);
  }
}
