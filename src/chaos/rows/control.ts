import { setTimeout as delay } from 'node:timers/promises';
import { callApi } from '../../bench/api.ts';
import { epochMs } from '../ledger.ts';
import { CHAOS_TYPE } from '../load.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';

/** A change must be everywhere by then. */
const CONTROL_MS = 5_000;
const OBSERVED_MS = 3_000;

/** Requests to a path that arrived in a span. */
function arrivalsIn({ stage, row }: FaultScene, path: string, fromMs: number): number {
  return stage.receiver.requestsOf(row).filter((request) => request.path === path && request.atMs >= fromMs).length;
}

/** After the change no request reaches `path` any more, from five seconds on. */
async function expectSilence(scene: FaultScene, path: string, change: () => Promise<unknown>): Promise<void> {
  await change();
  const changedMs = epochMs();
  await delay(CONTROL_MS + OBSERVED_MS);
  const late = arrivalsIn(scene, path, changedMs + CONTROL_MS);
  if (late > 0) scene.fail(`${late} requests reached ${path} later than 5 s after the change`);
}

async function changeOnce(scene: FaultScene, number: number): Promise<void> {
  const { access, stage, row } = scene;
  const base = `http://localhost:${stage.receiver.port}`;
  const path = `/${row}/changed${number}`;
  const webhook = await callApi(access, 'POST', '/api/v1/webhooks/', {
    event_type: CHAOS_TYPE,
    webhook_url: base + path,
  });
  stage.receiver.expectSecret(path, String(webhook['secret_key']));
  const resource = `/api/v1/webhooks/${String(webhook['id'])}/`;
  await delay(OBSERVED_MS);
  if (arrivalsIn(scene, path, 0) === 0) scene.fail(`${path} got nothing within 3 s of its creation`);
  await expectSilence(scene, path, () => callApi(access, 'PATCH', resource, { webhook_url: `${base + path}/moved` }));
  if (arrivalsIn(scene, `${path}/moved`, 0) === 0) scene.fail(`${path}/moved got nothing`);
  await expectSilence(scene, `${path}/moved`, () => callApi(access, 'PATCH', resource, { is_active: false }));
  await callApi(access, 'PATCH', resource, { is_active: true });
  await delay(OBSERVED_MS);
  await expectSilence(scene, `${path}/moved`, () => callApi(access, 'DELETE', resource));
}

function controls(context: RowContext): Promise<RowReport> {
  const k = context.profile.name === 'ci' ? 1 : context.profile.faults(20, 200);
  const extraPaths = Array.from({ length: k }, (_, number) => `/${context.row}/changed${number}`);
  return underLoad(context, {
    k,
    bound: 0,
    extraPaths,
    act: async (scene) => {
      await scene.during(async () => {
        for (let number = 0; number < k; number++) await changeOnce(scene, number);
      });
      scene.measure('secretRotation', 'the API has none yet');
    },
  });
}

export const CONTROL_ROWS: readonly Row[] = [
  {
    id: 'C29',
    fault: 'URL changed, disabled, enabled, deleted during load',
    component: 'control plane',
    group: 'one broker',
    expected: 'no new attempt five seconds after the change was answered',
    run: controls,
  },
];
