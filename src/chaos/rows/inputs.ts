import { setTimeout as delay } from 'node:timers/promises';
import { eventTopicOf } from '../../domain/event-naming.ts';
import type { OutgoingRecord } from '../../domain/record.ts';
import type { AnswerRule } from '../ledger.ts';
import { CHAOS_TYPE } from '../load.ts';
import { ROUTER_UNCOMMITTED } from '../profile.ts';
import type { Row, RowContext, RowReport } from '../row.ts';
import { type FaultScene, tenantOf, underLoad } from '../under-load.ts';
import { joins } from './faults.ts';

const INPUT = eventTopicOf(CHAOS_TYPE);
const HEALTHY: AnswerRule = () => ({ kind: 'respond', status: 200 });
const SETTLE_MS = 3_000;
/** What kafkajs calls the resource type of a topic. */
const TOPIC_RESOURCE = 2;
const RAISED_LIMIT_BYTES = 12 * 1024 * 1024;
const HUGE_BYTES = 10 * 1024 * 1024;
const HUGE_RECORDS = 5;

type Poison = (number: number) => Pick<OutgoingRecord, 'key' | 'value'> & { contentType: string };

const AVRO = 'application/avro';
const JSON_TYPE = 'application/json';

/** Records that no reader can make an event of, by what is wrong with them. */
const POISONS: Readonly<Record<string, Poison>> = {
  notAvro: () => ({ key: 'k', value: Buffer.from('hello'), contentType: AVRO }),
  unknownSchema: (number) => ({ key: 'k', value: framed(1_900_000_000 + number), contentType: AVRO }),
  nullValue: () => ({ key: 'k', value: null, contentType: AVRO }),
  badKey: () => ({ key: Buffer.from([0xff, 0xfe, 0xc0]), value: Buffer.from([0]), contentType: AVRO }),
  deep: () => ({ key: 'k', value: Buffer.from('['.repeat(50_000) + ']'.repeat(50_000)), contentType: JSON_TYPE }),
  huge: () => ({
    key: 'k',
    value: Buffer.from(JSON.stringify({ number: 1, payload: 'x'.repeat(HUGE_BYTES) })),
    contentType: JSON_TYPE,
  }),
};

function framed(schemaId: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(schemaId, 1);
  return Buffer.concat([head, Buffer.from([2, 4])]);
}

function poisonRecord(scene: FaultScene, name: string, number: number): OutgoingRecord {
  const { key, value, contentType } = (POISONS[name] ?? POISONS['notAvro'] ?? fail())(number);
  const headers = {
    'content-type': contentType,
    ce_specversion: '1.0',
    ce_id: `poison_${name}_${number}`,
    ce_source: '/chaos',
    ce_type: CHAOS_TYPE,
    ce_time: new Date().toISOString(),
    ce_tenantid: tenantOf(scene),
  };
  return { topic: INPUT, key, value, headers };
}

function fail(): never {
  throw new Error('there is no poison');
}

async function deadReasons(scene: FaultScene): Promise<Map<string, number>> {
  const { rows } = await scene.stage.database.knex.raw<{ rows: { kind: string; count: number }[] }>(
    `SELECT split_part(event_id, '_', 2) || ' ' || reason AS kind, count(*)::int AS count FROM dead_letters
     WHERE tenant_id = ? AND event_id LIKE 'poison%' GROUP BY 1`,
    [tenantOf(scene)],
  );
  return new Map(rows.map(({ kind, count }) => [kind, count]));
}

function poisonRow(context: RowContext): Promise<RowReport> {
  const each = context.profile.name === 'ci' ? 10 : 50;
  const sent = Object.keys(POISONS).map((name) => (name === 'huge' ? HUGE_RECORDS : each));
  const k = sent.reduce((sum, count) => sum + count, 0);
  return underLoad(context, {
    k,
    bound: 0,
    act: async (scene) => {
      const { stage, during } = scene;
      await stage.admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: TOPIC_RESOURCE,
            name: INPUT,
            configEntries: [{ name: 'max.message.bytes', value: String(RAISED_LIMIT_BYTES) }],
          },
        ],
      });
      await during(async () => {
        for (const [index, name] of Object.keys(POISONS).entries()) {
          for (let number = 0; number < (sent[index] ?? 0); number++) {
            await stage.publish([poisonRecord(scene, name, number)]);
          }
        }
      });
      await delay(SETTLE_MS);
    },
    judge: async (_, scene) => {
      const reasons = await deadReasons(scene);
      for (const [kind, count] of reasons) scene.measure(kind.replace(' ', ': '), count);
      const total = [...reasons.values()].reduce((sum, count) => sum + count, 0);
      if (total !== k) scene.fail(`${total} of ${k} bad records became dead letters`);
    },
  });
}

function registryDown(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 1,
    bound: 0,
    act: async (scene) => {
      const { stage, during, profile, fail: note, row } = scene;
      const known = () => stage.receiver.requestsOf(row).length;
      await during(async () => {
        await stage.servers.registryLink.refuse();
        const before = known();
        await delay(profile.lasting(60_000) / 2);
        if (known() === before) note('events of known schemas stopped');
        // From here on its partition waits: nobody can say yet whether it is bad.
        await stage.publish([poisonRecord(scene, 'unknownSchema', 99_999)]);
        await delay(profile.lasting(60_000) / 2);
        if ((await deadReasons(scene)).size > 0) note('a record was called bad while the registry was down');
        await stage.servers.registryLink.accept();
      });
    },
    judge: async (_, scene) => {
      if ((await deadReasons(scene)).get('unknownSchema unknown_schema') !== 1) {
        scene.fail('the record of an unknown schema did not become one dead letter');
      }
    },
  });
}

function tenfold(context: RowContext): Promise<RowReport> {
  const { profile } = context;
  return underLoad(context, {
    k: 1,
    bound: 0,
    rule: () => HEALTHY,
    act: async (scene) => {
      const { stage, load, during, measure, fail: note } = scene;
      const joined = joins(scene);
      await during(async () => {
        await load.run(9 * profile.perSecond * (profile.lasting(60_000) / 1000), 9 * profile.perSecond);
      });
      const memory = ['delivery-0', 'delivery-1', 'router'].map((name) => stage.fleet.footprintOf(name).memoryBytes);
      measure('largestProcessMb', Math.round(Math.max(...memory) / 1024 / 1024));
      measure('rebalances', joins(scene) - joined);
      if (joins(scene) > joined) note('a process was thrown out of its group');
    },
  });
}

function morePartitions(context: RowContext): Promise<RowReport> {
  return underLoad(context, {
    k: 1,
    bound: ROUTER_UNCOMMITTED * context.profile.webhooks,
    act: async ({ stage, during, measure }) => {
      const [before] = (await stage.admin.fetchTopicMetadata({ topics: [INPUT] })).topics;
      const count = 2 * (before?.partitions.length ?? 6);
      await during(async () => {
        await stage.admin.createPartitions({ topicPartitions: [{ topic: INPUT, count }] });
        await delay(SETTLE_MS);
        await stage.renewPublisher();
      });
      measure('partitions', count);
    },
  });
}

export const INPUT_ROWS: readonly Row[] = [
  {
    id: 'C18',
    fault: 'partitions of the input doubled during load',
    component: 'topics',
    group: 'one broker',
    expected: 'no event is lost, also none of those in the new partitions',
    run: morePartitions,
  },
  {
    id: 'C27',
    fault: 'not Avro, unknown schema, 10 MB, deep nesting, null value, a key that is no UTF-8',
    component: 'input topic',
    group: 'one broker',
    expected: 'each becomes a dead letter with a reason; the good events between them do not notice',
    run: poisonRow,
  },
  {
    id: 'C28',
    fault: 'down',
    component: 'schema registry',
    group: 'one broker',
    expected: 'known schemas go on; a record of an unknown one waits and is called bad only when the registry says so',
    run: registryDown,
  },
  {
    id: 'C30',
    fault: 'ten times the load',
    component: 'all',
    group: 'one broker',
    expected: 'the lag drains, memory is bounded, nobody is thrown out of a group, no duplicate',
    run: tenfold,
  },
];
