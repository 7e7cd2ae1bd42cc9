import { EVENTS_TOPIC } from './events.ts';
import { type LogEntry, placeOf } from './model/log.ts';
import type { World } from './process.ts';
import { dueMsOf } from './roles.ts';

/** The first record of every partition that its group has not committed. */
export function openRecords(world: World): LogEntry[] {
  return readTopics(world).flatMap(([groupId, topics]) => topics.flatMap((topic) => openOf(topic, groupId, world)));
}

function openOf(topic: string, groupId: string, world: World): LogEntry[] {
  const { offsets } = world.group(groupId);
  const open: LogEntry[] = [];
  for (const [partition, entries] of world.log.partitions(topic).entries()) {
    const next = entries[offsets.get(placeOf({ topic, partition }))?.offset ?? 0];
    if (next !== undefined) open.push(next);
  }
  return open;
}

/** When the first of these records is due, which may be now; null when there are none. */
export function nextDueMsOf(open: readonly LogEntry[], world: World): number | null {
  let dueMs: number | null = null;
  for (const entry of open) {
    const isRetry = entry.topic.startsWith(world.names.retryPrefix);
    dueMs = Math.min(dueMs ?? Number.POSITIVE_INFINITY, isRetry ? dueMsOf(world, entry) : world.time.nowMs);
  }
  return dueMs;
}

function readTopics({ names, schedule }: World): [string, string[]][] {
  return [
    [names.group('router'), [EVENTS_TOPIC]],
    [names.group('delivery'), [names.deliveries, names.overflow, names.ready]],
    [names.group('retry'), schedule.tiers.map(({ name }) => names.retry(name))],
  ];
}
