import type { Admin } from 'kafkajs';
import { decodeCompletions } from '../../domain/completion-map.ts';

/** Where a group stands in one partition, as the broker knows it. */
export interface GroupPosition {
  readonly topic: string;
  readonly partition: number;
  /** The committed offset, or the earliest one when nothing was committed. */
  readonly offset: number;
  /** False when nothing was committed yet. */
  readonly isCommitted: boolean;
  readonly completed: ReadonlySet<number>;
  /** First offset that still exists. */
  readonly earliest: number;
  /** One past the newest record. */
  readonly end: number;
}

/** Reads the group's committed offsets, their completion maps and the limits of the partitions. */
export async function readPositions(
  admin: Admin,
  groupId: string,
  topics: readonly string[],
): Promise<GroupPosition[]> {
  if (topics.length === 0) return [];
  const committed = await admin.fetchOffsets({ groupId, topics: [...topics] });
  const positions: GroupPosition[] = [];
  for (const { topic, partitions } of committed) {
    const limits = new Map((await admin.fetchTopicOffsets(topic)).map((limit) => [limit.partition, limit]));
    for (const { partition, offset, metadata } of partitions) {
      const limit = limits.get(partition);
      const earliest = Number(limit?.low ?? 0);
      const isCommitted = Number(offset) >= 0;
      const start = isCommitted ? Number(offset) : earliest;
      const completed = decodeCompletions(start, isCommitted ? metadata : null);
      positions.push({
        topic,
        partition,
        offset: start,
        isCommitted,
        completed,
        earliest,
        end: Number(limit?.high ?? 0),
      });
    }
  }
  return positions;
}

/** A sentence when the committed offset no longer exists, so that reading on would skip records silently; else null. */
export function outOfRange({ topic, partition, offset, earliest, end }: GroupPosition): string | null {
  const where = `${topic}/${partition}`;
  if (offset < earliest) return `${where}: records ${offset} to ${earliest - 1} were deleted before they were read`;
  if (offset > end)
    return `${where}: the committed offset ${offset} is beyond the end ${end}; was the topic made anew?`;
  return null;
}
