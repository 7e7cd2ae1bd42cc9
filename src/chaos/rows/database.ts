import { setTimeout as delay } from 'node:timers/promises';
import { callApi } from '../../bench/api.ts';
import { epochMs } from '../ledger.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';

const SETTLE_MS = 3_000;
/** Deliveries go on from memory: this share of the rate before must be kept. */
const KEPT_SHARE = 0.95;

/** Accepted requests per second in a span. */
function rateOf({ stage, row }: FaultScene, fromMs: number, toMs: number): number {
  const requests = stage.receiver.requestsOf(row);
  const within = requests.filter(({ atMs, answer }) => answer === 'accepted' && atMs >= fromMs && atMs < toMs);
  return within.length / ((toMs - fromMs) / 1000);
}

async function freeze({ stage, profile }: FaultScene): Promise<void> {
  stage.servers.postgres.pause();
  await delay(profile.lasting(60_000));
  stage.servers.postgres.resume();
}

async function crash({ stage }: FaultScene): Promise<void> {
  await stage.servers.postgres.kill();
  await delay(SETTLE_MS);
  await stage.servers.postgres.start();
}

async function cut({ stage }: FaultScene): Promise<void> {
  stage.servers.postgres.proxy.reset();
}

function outages(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 3,
    bound: 0,
    act: async (scene) => {
      const { during, measure, fail, access } = scene;
      const startMs = epochMs();
      await delay(SETTLE_MS);
      const before = rateOf(scene, startMs, epochMs());
      const faultMs = epochMs();
      let apiAnswer = 'none';
      await during(async () => {
        const asking = delay(1_000).then(() => {
          const askedMs = epochMs();
          const after = () => `after ${Math.round((epochMs() - askedMs) / 1000)} s`;
          return callApi(access, 'GET', '/api/v1/webhooks/').then(
            () => `200 ${after()}`,
            (error: unknown) => `${/: (\d{3}) /.exec(String(error))?.[1] ?? String(error)} ${after()}`,
          );
        });
        await freeze(scene);
        apiAnswer = await asking;
        await cut(scene);
        await crash(scene);
      });
      const kept = rateOf(scene, faultMs, epochMs()) / before;
      measure('rateKept', Math.round(kept * 100) / 100);
      measure('apiAskedWhileFrozen', apiAnswer);
      if (kept < KEPT_SHARE) fail(`only ${Math.round(kept * 100)} % of the rate was kept`);
      await delay(SETTLE_MS);
    },
  });
}

export const DATABASE_ROWS: readonly Row[] = [
  {
    id: 'C19',
    fault: 'frozen, then connections cut, then SIGKILL',
    component: 'PostgreSQL',
    group: 'one broker',
    expected: 'no duplicate; the rate stays above 95 %; the recorder catches up, every request has a row',
    run: outages,
  },
];
