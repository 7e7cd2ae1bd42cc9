import type { Scenario } from './scenario.ts';
import { type Report, simulate } from './simulation.ts';

const MOST_TRIES = 400;

/** A smaller scenario that breaks the same rule: faults, events, webhooks and processes that it does not need are gone. */
export async function shrink(scenario: Scenario, report: Report): Promise<{ scenario: Scenario; report: Report }> {
  const rule = ruleOf(report);
  let smallest = { scenario, report };
  let tries = 0;
  for (let isSmaller = true; isSmaller && tries < MOST_TRIES; ) {
    isSmaller = false;
    for (const candidate of smallerThan(smallest.scenario)) {
      if (++tries > MOST_TRIES) break;
      const found = await simulate(candidate);
      if (ruleOf(found) !== rule) continue;
      smallest = { scenario: candidate, report: found };
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

/** The broken rule without names and numbers. */
function ruleOf({ violations }: Report): string {
  return (violations[0] ?? '').replace(/\d+/g, '');
}

function* smallerThan(scenario: Scenario): Generator<Scenario> {
  for (const list of ['faults', 'events', 'webhooks'] as const) {
    const items = scenario[list];
    for (let size = Math.ceil(items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let from = 0; from < items.length; from += size) {
        yield { ...scenario, [list]: [...items.slice(0, from), ...items.slice(from + size)] };
      }
    }
  }
  for (const role of ['router', 'delivery', 'retry'] as const) {
    if (scenario.processes[role] > 1) yield { ...scenario, processes: { ...scenario.processes, [role]: 1 } };
  }
}
