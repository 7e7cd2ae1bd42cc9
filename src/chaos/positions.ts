import { setTimeout as delay } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { isInputTopic, type TopicNames } from '../infrastructure/kafka/topics.ts';

type Offsets = ReadonlyMap<string, number>;

/** Watches the committed offsets of the delivery group: they must never move backwards. */
export class OffsetWatch {
  readonly violations: string[] = [];
  readonly #admin: Admin;
  readonly #names: TopicNames;
  #highest = new Map<string, number>();
  #isRunning = true;
  readonly #done: Promise<void>;

  constructor(admin: Admin, names: TopicNames) {
    this.#admin = admin;
    this.#names = names;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#done;
  }

  async #run(): Promise<void> {
    const { deliveries, overflow, ready } = this.#names;
    while (this.#isRunning) {
      try {
        const committed = await committedOf(this.#admin, this.#names.group('delivery'), [deliveries, overflow, ready]);
        for (const [place, offset] of committed) this.#note(place, offset);
      } catch {
        // No broker answers, perhaps because of the fault: look again later.
      }
      await delay(500);
    }
  }

  #note(place: string, offset: number): void {
    const before = this.#highest.get(place) ?? -1;
    if (offset < before) this.violations.push(`${place} went back from ${before} to ${offset}`);
    this.#highest.set(place, Math.max(before, offset));
  }
}

/** Records that groups have not committed yet, all of Posthorn's groups and topics together. */
export async function totalLag(admin: Admin, names: TopicNames): Promise<number> {
  const topics = await admin.listTopics();
  const inputs = topics.filter(isInputTopic);
  const retries = topics.filter((topic) => topic.startsWith(names.retryPrefix));
  const reads: readonly (readonly [string, readonly string[]])[] = [
    ['router', inputs],
    ['delivery', [names.deliveries, names.overflow, names.ready]],
    ['retry', retries],
    ['recorder', [...inputs, names.attempts, names.deadDeliveries, names.deadEvents]],
  ];
  let lag = 0;
  for (const [role, read] of reads) lag += await lagOf(admin, names.group(role), read);
  return lag;
}

async function lagOf(admin: Admin, groupId: string, topics: readonly string[]): Promise<number> {
  const committed = await committedOf(admin, groupId, topics);
  let lag = 0;
  for (const topic of topics) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
      const at = committed.get(`${topic}/${partition}`) ?? -1;
      lag += Math.max(0, Number(high) - (at < 0 ? Number(low) : at));
    }
  }
  return lag;
}

async function committedOf(admin: Admin, groupId: string, topics: readonly string[]): Promise<Offsets> {
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
  return new Map(
    committed.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => [`${topic}/${partition}`, Number(offset)] as const),
    ),
  );
}
