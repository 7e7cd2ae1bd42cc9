import { AssignerProtocol, type GroupMember, type GroupMemberAssignment, type PartitionAssigner } from 'kafkajs';
import { deal, type Unit } from './deal.ts';

type Assignment = Record<string, number[]>;

/** One partition, as consumers name it. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Gives partition p of every topic in `colocated` to one member, so that all work of a webhook is in one process; the
 * partitions of other topics are dealt out one by one. Members keep what they have as far as the balance allows: what
 * changes hands while a request is under way is sent twice, so the stop of one member must not move the partitions of
 * the others (kafkajs' round robin moves some at nearly every rejoin). A member is given only topics that it has
 * subscribed to. `owned` tells what this member has at the moment; members tell each other in their metadata.
 */
export function createAssigner(colocated: readonly string[], owned: () => Iterable<Place>): PartitionAssigner {
  const together = new Set(colocated);
  return ({ cluster }) => ({
    name: 'PosthornAssigner',
    version: 1,
    async assign({ members, topics }): Promise<GroupMemberAssignment[]> {
      const partitionsOf = (topic: string) =>
        cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
      const assignments = assignPartitions(members.map(subscriptionOf), topics, partitionsOf, together);
      return [...assignments].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: 1,
          assignment,
          userData: Buffer.alloc(0),
        }),
      }));
    },
    protocol: ({ topics }) => ({
      name: 'PosthornAssigner',
      metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData: encodeOwned(owned()) }),
    }),
  });
}

export interface Subscription {
  readonly memberId: string;
  readonly topics: ReadonlySet<string>;
  /** `topic/partition` of what it has had until now. */
  readonly owned: ReadonlySet<string>;
}

function subscriptionOf(member: GroupMember): Subscription {
  const metadata = AssignerProtocol.MemberMetadata.decode(member.memberMetadata);
  const owned = metadata === null ? new Set<string>() : decodeOwned(metadata.userData);
  return { memberId: member.memberId, topics: new Set(metadata?.topics ?? []), owned };
}

function encodeOwned(owned: Iterable<Place>): Buffer {
  const byTopic: Assignment = {};
  for (const { topic, partition } of owned) (byTopic[topic] ??= []).push(partition);
  return Buffer.from(JSON.stringify(byTopic));
}

/** What a member of another version says counts as nothing: it only costs a move. */
function decodeOwned(userData: Buffer): Set<string> {
  try {
    const byTopic: unknown = JSON.parse(userData.toString());
    if (typeof byTopic !== 'object' || byTopic === null) return new Set();
    const lists = Object.entries(byTopic).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
    return new Set(
      lists.flatMap(([topic, partitions]) => partitions.map((partition) => `${topic}/${Number(partition)}`)),
    );
  } catch {
    return new Set();
  }
}

/** The pure part of the assigner: partitions per topic per member. */
export function assignPartitions(
  members: readonly Subscription[],
  topics: readonly string[],
  partitionsOf: (topic: string) => number[],
  together: ReadonlySet<string>,
): Map<string, Assignment> {
  const sorted = members.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const assignments = new Map<string, Assignment>(sorted.map(({ memberId }) => [memberId, {}]));
  for (const { candidates, units } of poolsOf(sorted, topics, partitionsOf, together)) {
    for (const [unit, memberId] of deal([...units.values()], candidates)) {
      const assignment = assignments.get(memberId) ?? {};
      for (const { topic, partition } of unit.places) (assignment[topic] ??= []).push(partition);
    }
  }
  return assignments;
}

interface Pool {
  readonly candidates: readonly Subscription[];
  readonly units: Map<string, Unit>;
}

/** What is dealt out among the same members: single partitions, or those of one number that must stay together. */
function poolsOf(
  members: readonly Subscription[],
  topics: readonly string[],
  partitionsOf: (topic: string) => number[],
  together: ReadonlySet<string>,
): Iterable<Pool> {
  const pools = new Map<string, Pool>();
  for (const topic of topics.toSorted()) {
    const candidates = members.filter((member) => member.topics.has(topic));
    if (candidates.length === 0) continue;
    const isTogether = together.has(topic);
    const name = `${isTogether} ${candidates.map(({ memberId }) => memberId).join(' ')}`;
    const pool = pools.get(name) ?? { candidates, units: new Map<string, Unit>() };
    pools.set(name, pool);
    for (const partition of partitionsOf(topic).toSorted((a, b) => a - b)) {
      const key = isTogether ? String(partition) : `${topic}/${partition}`;
      const unit = pool.units.get(key) ?? { places: [] };
      unit.places.push({ topic, partition });
      pool.units.set(key, unit);
    }
  }
  return pools.values();
}
