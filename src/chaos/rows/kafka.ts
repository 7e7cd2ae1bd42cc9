import { setTimeout as delay } from 'node:timers/promises';
import { IN_FLIGHT, REPEATS_PER_KILL } from '../profile.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, underLoad } from '../under-load.ts';

/** Both delivery processes may lose their partitions at once. */
const REPEATS_PER_OUTAGE = 2 * REPEATS_PER_KILL;
const SETTLE_MS = 3_000;
const PRODUCE_API_KEY = 0;

/** A fault of the network between Posthorn and all brokers. */
async function onEveryLink({ stage, during }: FaultScene, faults: LinkChange, lastingMs: number): Promise<void> {
  await during(async () => {
    for (const link of stage.servers.kafkaLinks) link.set(faults);
    await delay(lastingMs);
    for (const link of stage.servers.kafkaLinks) link.heal();
  });
}

type LinkChange = Parameters<FaultScene['stage']['receiverLink']['set']>[0];

/** Kafka's request frame: four bytes of length, then the key of the API. */
function isProduce(frame: Buffer): boolean {
  return frame.length > 6 && frame.readInt16BE(4) === PRODUCE_API_KEY;
}

function brokerRestarts(context: RowContext): Promise<RowReport> {
  const k = context.profile.name === 'ci' ? 2 : context.profile.faults(6, 20);
  return underLoad(context, {
    k,
    bound: k * REPEATS_PER_OUTAGE,
    recoverWithin: 30,
    act: async ({ stage, during }) => {
      const { brokers } = stage.servers.kafka;
      for (let fault = 0; fault < k; fault++) {
        const broker = brokers[Math.floor(fault / 2) % brokers.length];
        await during(async () => (fault % 2 === 0 ? broker?.stop() : broker?.kill()));
        await delay(SETTLE_MS);
        await broker?.start();
        await delay(SETTLE_MS);
      }
    },
  });
}

function frozenBroker(context: RowContext): Promise<RowReport> {
  const k = context.profile.name === 'ci' ? 1 : context.profile.faults(1, 5);
  return underLoad(context, {
    k,
    bound: k * REPEATS_PER_OUTAGE,
    act: async ({ stage, during, profile }) => {
      for (let fault = 0; fault < k; fault++) {
        const broker = stage.servers.kafka.brokers[fault % stage.servers.kafka.brokers.length];
        await during(async () => {
          broker?.pause();
          await delay(profile.lasting(60_000));
          broker?.resume();
        });
        await delay(SETTLE_MS);
      }
    },
  });
}

const OFFSETS_TOPIC = '__consumer_offsets';

/** Kafka keeps a group at the leader of one partition of its offsets topic: Java's hash of the group's name decides. */
function partitionOfGroup(groupId: string, partitions: number): number {
  let hash = 0;
  for (const letter of groupId) hash = (Math.imul(31, hash) + letter.charCodeAt(0)) | 0;
  return (hash & 0x7fffffff) % partitions;
}

function coordinatorMoves(context: RowContext): Promise<RowReport> {
  const k = context.profile.name === 'ci' ? 1 : context.profile.faults(3, 10);
  return underLoad(context, {
    k,
    bound: k * REPEATS_PER_OUTAGE,
    recoverWithin: 30,
    act: async ({ stage, during, fail }) => {
      for (let fault = 0; fault < k; fault++) {
        const [offsets] = (await stage.admin.fetchTopicMetadata({ topics: [OFFSETS_TOPIC] })).topics;
        const wanted = partitionOfGroup(stage.names.group('delivery'), offsets?.partitions.length ?? 1);
        const leader = offsets?.partitions.find(({ partitionId }) => partitionId === wanted)?.leader;
        const broker = stage.servers.kafka.brokers.find(({ nodeId }) => nodeId === leader);
        if (broker === undefined) fail('the coordinator is unknown');
        await during(async () => broker?.stop());
        await delay(SETTLE_MS);
        await broker?.start();
        await delay(SETTLE_MS);
      }
    },
  });
}

export const KAFKA_ROWS: readonly Row[] = [
  {
    id: 'C11',
    fault: 'orderly restart, then SIGKILL, of each in turn',
    component: 'brokers',
    group: 'three brokers',
    expected: 'what was acknowledged is never lost; clients go on without a restart',
    run: brokerRestarts,
  },
  {
    id: 'C12',
    fault: 'frozen',
    component: 'broker',
    group: 'three brokers',
    expected: 'requests in flight end, no process ends, duplicates ≤ processes × (in flight + uncommitted)',
    run: frozenBroker,
  },
  {
    id: 'C13',
    fault: 'latency of 200 ± 100 ms and 1 Mbit/s',
    component: 'link to Kafka',
    group: 'one broker',
    expected: 'slower, but nobody is thrown out of a group',
    run: (context) =>
      underLoad(context, {
        k: 1,
        bound: 0,
        act: (scene) =>
          onEveryLink(
            scene,
            { latencyMs: 200, jitterMs: 100, bytesPerSecond: 125_000 },
            scene.profile.lasting(300_000),
          ),
      }),
  },
  {
    id: 'C14',
    fault: 'nothing arrives in one direction',
    component: 'link to Kafka',
    group: 'one broker',
    expected: 'as after a sleep: others take over, duplicates ≤ processes × (in flight + uncommitted)',
    run: (context) => {
      const k = context.profile.name === 'ci' ? 1 : context.profile.faults(2, 10);
      return underLoad(context, {
        k,
        bound: k * REPEATS_PER_OUTAGE,
        unrecorded: k * 2 * IN_FLIGHT,
        act: async (scene) => {
          for (let fault = 0; fault < k; fault++) {
            const blackholes = [fault % 2 === 0 ? ('to_client' as const) : ('to_server' as const)];
            await onEveryLink(scene, { blackholes }, scene.profile.lasting(45_000));
            await delay(SETTLE_MS);
          }
        },
      });
    },
  },
  {
    id: 'C15',
    fault: 'answers to produce requests cut in the middle',
    component: 'producers',
    group: 'one broker',
    expected: 'no record is lost; duplicates ≤ cuts × records of a request, none while the producer stays the same',
    run: (context) => {
      const k = context.profile.faults(20, 200) * (context.profile.name === 'ci' ? 5 : 1);
      return underLoad(context, {
        k,
        bound: k * IN_FLIGHT,
        act: async ({ stage, during, measure }) => {
          const [link] = stage.servers.kafkaLinks;
          const cuts = link?.cutAnswers({ matches: isProduce, afterBytes: 6 }, 0);
          cuts?.disarm();
          let done = 0;
          await during(async () => {
            for (let cut = 0; cut < k; cut++) {
              const one = link?.cutAnswers({ matches: isProduce, afterBytes: 6 }, 1);
              await delay(500);
              one?.disarm();
              done += one?.done ?? 0;
            }
          });
          measure('cuts', done);
        },
      });
    },
  },
  {
    id: 'C16',
    fault: 'moves to another broker',
    component: 'group coordinator',
    group: 'three brokers',
    expected: 'committed offsets never go back; the rate is back within 30 s',
    run: coordinatorMoves,
  },
];
