import { setTimeout as delay } from 'node:timers/promises';
import type { Footprint } from '../fleet.ts';
import { REPEATS_PER_KILL, ROUTER_UNCOMMITTED } from '../profile.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { FLEET } from '../stage.ts';
import { type FaultScene, underLoad } from '../under-load.ts';

/** About a third of what two cores with everything on them carry. */
const EVENTS_PER_SECOND = 100;
const MINUTE_MS = 60_000;
const FAULT_MS = 5_000;
/** Memory may grow by this factor, descriptors by this number, in a process that was not restarted. */
const MEMORY_GROWTH = 1.3;
const MORE_DESCRIPTORS = 10;

type Fault = (scene: FaultScene) => Promise<void>;

const killOne: Fault = async ({ stage, random }) => {
  const names = Object.keys(FLEET);
  const name = names[Math.floor(random() * names.length)] ?? 'router';
  await stage.fleet.kill(name);
  await stage.fleet.restart(name);
};

const FAULTS: readonly Fault[] = [
  killOne,
  killOne,
  async ({ stage }) => {
    const [broker] = stage.servers.kafka.brokers;
    broker?.pause();
    await delay(FAULT_MS);
    broker?.resume();
  },
  async ({ stage }) => {
    const [broker] = stage.servers.kafka.brokers;
    await broker?.kill();
    await broker?.start();
  },
  async ({ stage }) => {
    await stage.servers.postgres.kill();
    await stage.servers.postgres.start();
  },
  async ({ stage }) => {
    await stage.servers.registryLink.refuse();
    await delay(FAULT_MS);
    await stage.servers.registryLink.accept();
  },
  async ({ stage }) => {
    for (const link of stage.servers.kafkaLinks) link.reset();
    stage.servers.postgres.proxy.reset();
  },
];

/** What each process held at its first look, by process id: a restarted one is another one. */
class Growth {
  readonly #first = new Map<number, Footprint>();
  memory = 1;
  descriptors = 0;

  look({ stage }: FaultScene): void {
    for (const name of stage.fleet.names.filter((candidate) => stage.fleet.isRunning(candidate))) {
      const { pid, ...now } = stage.fleet.footprintOf(name);
      const first = this.#first.get(pid);
      if (first === undefined) this.#first.set(pid, now);
      else this.#compare(first, now);
    }
  }

  #compare(first: Footprint, now: Footprint): void {
    this.memory = Math.max(this.memory, now.memoryBytes / first.memoryBytes);
    this.descriptors = Math.max(this.descriptors, now.descriptors - first.descriptors);
  }
}

function soak(context: RowContext, minutes: number): Promise<RowReport> {
  const bound = minutes * (2 * REPEATS_PER_KILL + ROUTER_UNCOMMITTED * context.profile.webhooks);
  return underLoad(context, {
    k: minutes,
    bound,
    unrecorded: bound,
    perSecond: EVENTS_PER_SECOND,
    act: async (scene) => {
      const { during, random, progress, measure, fail } = scene;
      const growth = new Growth();
      for (let minute = 0; minute < minutes; minute++) {
        const endMs = performance.now() + MINUTE_MS;
        const index = Math.floor(random() * FAULTS.length);
        progress(`minute ${minute + 1} of ${minutes}: fault ${index}`);
        await during(async () => FAULTS[index]?.(scene));
        await delay(Math.max(0, endMs - performance.now()));
        growth.look(scene);
      }
      measure('memoryGrowth', Math.round(growth.memory * 100) / 100);
      measure('descriptorsMore', growth.descriptors);
      if (growth.memory > MEMORY_GROWTH) fail(`a process grew ${growth.memory} fold`);
      if (growth.descriptors > MORE_DESCRIPTORS) fail(`a process holds ${growth.descriptors} descriptors more`);
    },
  });
}

/** A long run at a third of the load, with a fault that the seed chooses every minute. */
export function soakRow(minutes: number): Row {
  return {
    id: 'S1',
    fault: `one a minute for ${minutes} minutes`,
    component: 'all',
    group: 'one broker',
    expected: 'nothing is lost, no lag stays, memory and descriptors stay flat',
    run: (context) => soak(context, minutes),
  };
}
