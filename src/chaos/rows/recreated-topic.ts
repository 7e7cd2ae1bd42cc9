import { setTimeout as delay } from 'node:timers/promises';
import { eventTopicOf } from '../../domain/event-naming.ts';
import { CHAOS_TYPE, Load } from '../load.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { FLEET } from '../stage.ts';
import { tenantOf } from '../under-load.ts';

const INPUT = eventTopicOf(CHAOS_TYPE);
const PARTITIONS = 6;
const EVENTS = 60;
const STOP_TIMEOUT_MS = 60_000;
const READERS = ['router', 'recorder'] as const;

/** Deletes and makes the input topic anew under running readers: what they committed is beyond its end. */
async function recreate(context: RowContext): Promise<RowReport> {
  const { stage, row, seed } = context;
  await stage.fleet.ensure(FLEET);
  const load = new Load({
    publish: stage.publish,
    schemaRegistryUrl: stage.schemaRegistryUrl,
    tenantId: tenantOf(context),
    name: `${row}-${seed}`,
  });
  // So that there is something committed in every partition, also when this row runs alone.
  await load.run(20 * EVENTS, 500);
  await delay(2_000);
  await stage.admin.deleteTopics({ topics: [INPUT] });
  await delay(1_000);
  await stage.admin.createTopics({ topics: [{ topic: INPUT, numPartitions: PARTITIONS }], waitForLeaders: false });
  await delay(1_000);
  await stage.renewPublisher();
  await load.run(EVENTS, 50);
  const failures: string[] = [];
  const reasons: string[] = [];
  for (const name of READERS) {
    if (!(await stage.fleet.ended(name, STOP_TIMEOUT_MS))) failures.push(`${name} goes on as if nothing had happened`);
    const fatal = stage.fleet.logOf(name).find(({ msg }) => msg === 'serve.cannot_go_on');
    if (fatal === undefined) failures.push(`${name} does not say why it cannot go on`);
    else reasons.push(`${name}: ${String(fatal['error'])}`);
  }
  stage.fleet.takeUnexpectedEnds();
  return {
    n: load.acked.length,
    k: 1,
    requests: 0,
    lost: 0,
    duplicates: 0,
    bound: 0,
    dead: 0,
    recoverySeconds: null,
    latencyMs: null,
    measured: { said: reasons.join('; ') },
    failures,
  };
}

/** The last row of its group: afterwards the readers want a decision of their operator. */
export const RECREATED_TOPIC_ROW: Row = {
  id: 'C34',
  fault: 'deleted and made anew',
  component: 'input topic',
  group: 'one broker',
  expected: 'its readers stop and say why; nothing is skipped in silence',
  run: recreate,
};
