import { describe, expect, test } from 'vitest';
import { REGRESSIONS } from './regressions.ts';
import { createScenario, type Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulation.ts';

/*
 * Random scenarios with kills, stops, freezes, rebalances, lost answers and failing brokers, run by the product's own
 * classes over models of Kafka, receivers and the table of webhooks. Checked while they run and at their end: nothing is
 * lost (I1), repeats have a cause and stay within the configured bound (I3), no commit passes an open record or goes
 * back (I5), retries are neither early nor late (I8); slots, budgets, pauses and breakers are kept, and nothing is left
 * over. There is no option for order per key yet, so order (I4) is not checked.
 *
 * SIM_SEED=<seed>             one scenario
 * SIM_FROM=<seed> SIM_COUNT=<count>   others, or more of them
 */
const only = process.env['SIM_SEED'];
const first = Number(only ?? process.env['SIM_FROM'] ?? 1);
const count = only === undefined ? Number(process.env['SIM_COUNT'] ?? 10_000) : 1;
const CHUNK = 1_000;
const chunks = Array.from({ length: Math.ceil(count / CHUNK) }, (_, index) => {
  const from = first + index * CHUNK;
  return { from, through: Math.min(from + CHUNK, first + count) - 1 };
});

test.each(chunks)('the rules hold in scenarios $from to $through', async ({ from, through }) => {
  for (let seed = from; seed <= through; seed++) {
    const scenario = createScenario(seed);
    const report = await simulate(scenario);
    if (report.violations.length > 0) throw new Error(await explain(scenario));
  }
});

test.each(REGRESSIONS)('$lesson', async ({ scenario }) => {
  expect((await simulate(scenario)).violations).toEqual([]);
});

describe('the simulation itself', () => {
  test('runs a scenario twice in the same way', async () => {
    const stories = [];
    for (let run = 0; run < 2; run++) {
      const story: string[] = [];
      await simulate(createScenario(7), (line) => story.push(line));
      stories.push(story);
    }
    expect(stories[0]?.length).toBeGreaterThan(50);
    expect(stories[0]).toEqual(stories[1]);
  });

  test('meets faults, repeats and retries, so that the rules are put to the test', async () => {
    const met = new Set<string>();
    for (let seed = 1; seed <= 150; seed++) {
      const { duplicates } = await simulate(createScenario(seed), (line) => {
        for (const event of EVENTS) if (line.includes(event)) met.add(event);
      });
      if (duplicates > 0) met.add('duplicates');
    }
    expect([...met].toSorted()).toEqual([...EVENTS, 'duplicates'].toSorted());
  });
});

/** What a fair share of scenarios has to come across. */
const EVENTS = [
  'is killed',
  '"freeze"',
  '"crash"',
  'loses',
  'does "lost"',
  'set_aside waiting',
  'attempted dead',
  'ended dead webhook_deleted',
  'ended dead webhook_gone',
  'log deliveries.overflow',
  'log events.dead',
];

/** Everything that somebody needs who looks into a broken rule. */
async function explain(scenario: Scenario): Promise<string> {
  const smallest = await shrink(scenario, await simulate(scenario));
  const story: string[] = [];
  await simulate(smallest.scenario, (line) => story.push(line));
  return [
    `Scenario ${scenario.seed} breaks a rule: ${smallest.report.violations.slice(0, 5).join('\n')}`,
    `Again: SIM_SEED=${scenario.seed} npx vitest run --config test/vitest.config.ts --project simulation`,
    `The smallest scenario that still does: ${JSON.stringify(smallest.scenario)}`,
    'Its story:',
    ...story.slice(-150),
  ].join('\n');
}
