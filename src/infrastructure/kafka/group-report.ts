import type { Admin } from 'kafkajs';
import { readPositions } from './positions.ts';

/** A consumer group as its coordinator sees it. */
export interface GroupState {
  readonly groupId: string;
  /** `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty` or `Dead` (never used). */
  readonly state: string;
  readonly members: number;
}

/** The first record of a partition that a group has not resolved. */
export interface WaitingHead {
  readonly partition: number;
  readonly partitions: number;
  /** Milliseconds since it came to Kafka, right within some percent. */
  readonly ageMs: number;
}

/** What a group has before it in one topic. */
export interface TopicBacklog {
  readonly topic: string;
  readonly records: number;
  /** Of the partitions where something waits. */
  readonly heads: readonly WaitingHead[];
}

export async function describeGroups(admin: Admin, groupIds: readonly string[]): Promise<GroupState[]> {
  const { groups } = await admin.describeGroups([...groupIds]);
  return groups.map(({ groupId, state, members }) => ({ groupId, state, members: members.length }));
}

/** How much of each topic the group has not resolved, and for how long the oldest of it has waited. */
export async function readBacklogs(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
  nowMs: number,
): Promise<TopicBacklog[]> {
  const positions = await readPositions(admin, groupId, topics);
  return Promise.all(
    topics.map(async (topic) => {
      const own = positions.filter((position) => position.topic === topic);
      const waiting = own.filter(({ offset, end }) => offset < end);
      const records = waiting.reduce((sum, { offset, end, completed }) => sum + end - offset - completed.size, 0);
      const ages = await headAges(
        admin,
        topic,
        new Map(waiting.map(({ partition, offset }) => [partition, offset])),
        nowMs,
      );
      const heads = [...ages].map(([partition, ageMs]) => ({ partition, partitions: own.length, ageMs }));
      return { topic, records, heads };
    }),
  );
}

interface Bounds {
  youngestMs: number;
  oldestMs: number;
}

const LONGEST_AGE_MS = 40 * 86_400_000;
/** An age is known well enough when its bounds differ by this factor; below a second nobody cares. */
const PRECISION = 1.05;
const SHORTEST_AGE_MS = 1_000;

/**
 * Finds out how old the records at some offsets are without reading them: brokers tell which offset a time has, so each
 * question about a time halves what is possible for every partition.
 */
async function headAges(
  admin: Admin,
  topic: string,
  heads: ReadonlyMap<number, number>,
  nowMs: number,
): Promise<Map<number, number>> {
  const bounds = new Map([...heads.keys()].map((partition) => [partition, unknownAge()]));
  for (let widest = widestOf(bounds); widest !== null; widest = widestOf(bounds)) {
    const ageMs = Math.sqrt(widest.youngestMs * widest.oldestMs);
    const offsets = await admin.fetchTopicOffsetsByTimestamp(topic, Math.round(nowMs - ageMs));
    for (const { partition, offset } of offsets)
      narrow(bounds.get(partition), ageMs, Number(offset) > (heads.get(partition) ?? 0));
  }
  return new Map(
    [...bounds].map(([partition, { oldestMs }]) => [partition, oldestMs <= SHORTEST_AGE_MS ? 0 : oldestMs]),
  );
}

function unknownAge(): Bounds {
  return { youngestMs: SHORTEST_AGE_MS / 2, oldestMs: LONGEST_AGE_MS };
}

function widestOf(bounds: ReadonlyMap<number, Bounds>): Bounds | null {
  let widest: Bounds | null = null;
  for (const candidate of bounds.values()) {
    const isKnown = candidate.oldestMs / candidate.youngestMs <= PRECISION || candidate.oldestMs <= SHORTEST_AGE_MS;
    if (!isKnown && (widest === null || ratioOf(candidate) > ratioOf(widest))) widest = candidate;
  }
  return widest;
}

function ratioOf({ youngestMs, oldestMs }: Bounds): number {
  return oldestMs / youngestMs;
}

function narrow(bounds: Bounds | undefined, ageMs: number, isOlder: boolean): void {
  if (bounds === undefined) return;
  if (isOlder) bounds.youngestMs = Math.max(bounds.youngestMs, Math.min(ageMs, bounds.oldestMs));
  else bounds.oldestMs = Math.min(bounds.oldestMs, Math.max(ageMs, bounds.youngestMs));
}
