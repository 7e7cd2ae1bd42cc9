import { setTimeout as delay } from 'node:timers/promises';
import { keyOf } from '../checker.ts';
import { epochMs, type Request } from '../ledger.ts';
import { IN_FLIGHT, REPEATS_PER_KILL, ROUTER_UNCOMMITTED } from '../profile.ts';
import type { Span } from '../recovery.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { FLEET } from '../stage.ts';
import { underLoad } from '../under-load.ts';
import { BETWEEN_MS, DELIVERY, killAndRestart, recoverWithin } from './faults.ts';

/** A request that a stop could cut began at the most this long before it. */
const LONGEST_REQUEST_MS = 5_000;

/** Repeats of what was accepted first in one of the spans. */
function repeatsOf(requests: readonly Request[], spans: readonly Span[]): number {
  const first = new Map<string, number>();
  let repeats = 0;
  for (const request of requests.filter(({ answer }) => answer === 'accepted')) {
    const firstMs = first.get(keyOf(request));
    if (firstMs === undefined) first.set(keyOf(request), request.atMs);
    else if (spans.some(({ startMs, endMs }) => firstMs >= startMs && firstMs <= endMs)) repeats += 1;
  }
  return repeats;
}

function rollingRestart(context: RowContext): Promise<RowReport> {
  const k = context.profile.faults(5, 50);
  const stops: Span[] = [];
  return underLoad(context, {
    k,
    bound: k * IN_FLIGHT,
    recoverWithin: recoverWithin(context),
    // What a process has in flight when its partition moves is not reported by it, only by the partition's new owner.
    unrecorded: k * IN_FLIGHT,
    act: async ({ stage, during, measure, fail }) => {
      let longest = 0;
      for (let stop = 0; stop < k; stop++) {
        const name = DELIVERY[stop % 2] ?? 'delivery-0';
        const startMs = epochMs() - LONGEST_REQUEST_MS;
        await during(async () => {
          const { code, seconds } = await stage.fleet.stop(name);
          longest = Math.max(longest, seconds);
          if (code !== 0) fail(`${name} ended with exit code ${code}`);
        });
        stops.push({ startMs, endMs: epochMs() });
        await delay(BETWEEN_MS);
        await stage.fleet.restart(name);
        // Longer than a request, so that what this join repeats cannot be taken for a repeat of the next stop.
        await delay(LONGEST_REQUEST_MS + BETWEEN_MS);
      }
      measure('stopSeconds', Math.round(longest * 10) / 10);
      if (longest > 30) fail(`a stop took ${longest} s`);
    },
    judge: (_, { stage, row, measure, fail }) => {
      const byStops = repeatsOf(stage.receiver.requestsOf(row), stops);
      measure('duplicatesByStops', byStops);
      if (byStops > 0) fail(`${byStops} duplicates came from orderly stops`);
    },
  });
}

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
    expected:
      'a stop repeats nothing and ends with exit code 0 within its deadline + 5 s; a process that joins may repeat what others had in flight on the partitions that move to it',
    run: rollingRestart,
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
        // A third of the events wait in a tier once; more would open the breakers and measure those.
        rule:
          () =>
          ({ attempt, webhookId }) => ({
            kind: 'respond',
            status: attempt === 1 && endsIn(webhookId, '147') ? 500 : 200,
          }),
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

function endsIn(id: string | null, digits: string): boolean {
  return digits.includes(id?.at(-1) ?? ' ');
}
