import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { forkScript } from '../bench/processes.ts';
import { type BareLoop, tableOf } from '../bench/report.ts';
import { type Measurement, runScenario, type Scenario } from '../bench/scenario.ts';
import { type Stage, setStage } from '../bench/stage.ts';
import type { Command } from './command.ts';
import { listenForStop } from './stop-signals.ts';

const USAGE = `posthorn bench [--events N] [--json]

Measures this machine: starts servers and one process per role, publishes events and reports rate, latency from the
producer's acknowledgement to arrival, and CPU per delivery, beside a bare undici loop against the same receiver in the same run.
Archive, attempt log and signing are on, as in production.

  --events N   events of the flat-out scenarios (50000)
  --json       one JSON document instead of the table
`;

/** `posthorn bench`: the published benchmark. */
export const benchCommand: Command = {
  name: 'bench',
  summary: 'measure throughput and latency on this machine',
  usage: USAGE,
  run: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { events: { type: 'string', default: '50000' }, json: { type: 'boolean', default: false } },
    });
    const events = Number(values.events);
    if (!Number.isInteger(events) || events < 1000) {
      console.error('--events must be a whole number from 1000');
      return 2;
    }
    const stop = listenForStop();
    const stage = await setStage((line) => console.error(line));
    try {
      const measured = await Promise.race([measureAll(stage, scenariosOf(events)), stop.requested]);
      if (measured === undefined) return STOPPED;
      const { bare, measurements } = measured;
      console.log(values.json ? JSON.stringify({ bare, measurements }, null, 2) : tableOf(measurements, bare));
      return measurements.every(({ lost }) => lost === 0) ? 0 : 1;
    } finally {
      await stage.close();
      stop.dispose();
    }
  },
};

/** What shells report for a program that SIGINT ended. */
const STOPPED = 130;

function scenariosOf(events: number): Scenario[] {
  return [
    { name: 'fan-out 1, 1 kB', events, fanOut: 1, bodyBytes: 900, perSecond: null },
    { name: 'fan-out 10, 1 kB', events: Math.ceil(events / 5), fanOut: 10, bodyBytes: 900, perSecond: null },
    { name: 'paced 500/s, 1 kB', events: 5_000, fanOut: 1, bodyBytes: 900, perSecond: 500 },
  ];
}

async function measureAll(
  stage: Stage,
  scenarios: readonly Scenario[],
): Promise<{ bare: BareLoop; measurements: Measurement[] }> {
  console.error('measuring: bare undici loop');
  const loops = [await bareLoop(stage), await bareLoop(stage)];
  const measurements: Measurement[] = [];
  for (const scenario of scenarios) {
    console.error(`measuring: ${scenario.name}`);
    measurements.push(await runScenario(stage, scenario));
  }
  loops.push(await bareLoop(stage));
  // The first loop of a machine is its warm-up; the median of three forgives one disturbance.
  const [, median] = loops.toSorted((a, b) => a.perSecond - b.perSecond);
  return { bare: median ?? { perSecond: Number.NaN, cpuUs: Number.NaN }, measurements };
}

async function bareLoop({ receiverPort }: Stage): Promise<BareLoop> {
  const child = forkScript('undici-loop', [`http://127.0.0.1:${receiverPort}/bare`, '50000', '900', '64']);
  const ended = once(child, 'exit');
  const output = child.stdout === null ? '{}' : await text(child.stdout);
  await ended;
  return JSON.parse(output);
}
