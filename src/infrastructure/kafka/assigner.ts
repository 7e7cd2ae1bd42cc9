import { AssignerProtocol, type GroupMember, type GroupMemberAssignment, type PartitionAssigner } from 'kafkajs';

type Assignment = Record<string, number[]>;

/**
 * Gives partition p of every topic in `colocated` to one member, so that all work of a webhook is in one process; the
 * partitions of other topics are dealt out one by one. Topics, partitions and members are sorted, so equal members get
 * equal partitions at every rebalance (kafkajs' round robin follows the order of the metadata answer instead, and moves
 * partitions at nearly every rejoin of a rolling restart). A member is given only topics that it has subscribed to.
 */
export function createAssigner(colocated: readonly string[]): PartitionAssigner {
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
      metadata: AssignerProtocol.MemberMetadata.encode({ version: 1, topics, userData: Buffer.alloc(0) }),
    }),
  });
}

export interface Subscription {
  readonly memberId: string;
  readonly topics: ReadonlySet<string>;
}

function subscriptionOf(member: GroupMember): Subscription {
  const metadata = AssignerProtocol.MemberMetadata.decode(member.memberMetadata);
  return { memberId: member.memberId, topics: new Set(metadata?.topics ?? []) };
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
  let dealt = 0;
  for (const topic of topics.toSorted()) {
    const candidates = sorted.filter((member) => member.topics.has(topic));
    if (candidates.length === 0) continue;
    for (const partition of partitionsOf(topic).toSorted((a, b) => a - b)) {
      const turn = together.has(topic) ? partition : dealt++;
      const member = candidates[turn % candidates.length];
      const assignment = member && assignments.get(member.memberId);
      if (assignment) (assignment[topic] ??= []).push(partition);
    }
  }
  return assignments;
}
