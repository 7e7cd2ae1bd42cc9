import { within } from '../../src/compose/roles.ts';
import { deliveryIdOf } from '../../src/domain/delivery-id.ts';
import type { Event, EventReadResult } from '../../src/domain/event.ts';
import { WebhookIndex } from '../../src/domain/matching.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../src/domain/record.ts';
import { parseDelayMs, partitionDelayMs } from '../../src/domain/retry-schedule.ts';
import type { CachedWebhook } from '../../src/domain/webhook.ts';
import { RetryMover } from '../../src/processes/retry-mover.ts';
import { Router } from '../../src/processes/router.ts';
import { deliveryRole } from './delivery-role.ts';
import type { WebhookView } from './model/directory.ts';
import { placeOf } from './model/log.ts';
import type { RoleService, Roles, SimulatedProcess } from './process.ts';

const DRAIN_MS = 10_000;

function routerRole(process: SimulatedProcess): RoleService {
  const { world } = process;
  const view = world.webhooks.open(process);
  const index = indexOf(view);
  const origins = new WeakMap<Event, ConsumedRecord>();
  const remember = (record: ConsumedRecord, result: EventReadResult): EventReadResult => {
    if (result.kind === 'event') origins.set(result.event, record);
    return result;
  };
  const router: Router = new Router({
    readEvent: (record) => {
      const read = world.readEvent(process, record);
      return read instanceof Promise ? read.then((result) => remember(record, result)) : remember(record, read);
    },
    match: (event) => {
      const matched = index.match(event);
      checkMatch(process, { event, matched, view });
      const record = origins.get(event);
      if (record !== undefined && process.isAlive) note(process, record, { event, matched });
      return matched;
    },
    encodeDelivery: (delivery) => world.deliveries.encode(delivery),
    publish: (records) => process.publish(records),
    topics: world.names,
    log: process.log,
    now: () => world.time.nowMs,
    trace: null,
    onRouted: () => {},
  });
  return {
    handler: router,
    topics: ['events.order'],
    reading: {},
    start: async () => {},
    stop: async () => void (await within(DRAIN_MS, router.drain())),
    busy: () => 0,
    leftovers: () => [],
  };
}

function note(
  process: SimulatedProcess,
  record: ConsumedRecord,
  { event, matched }: { event: Event; matched: readonly CachedWebhook[] },
): void {
  const ids = matched.map(({ id: webhookId }) => {
    const { tenantId, source, id: eventId } = event;
    return deliveryIdOf({ tenantId, source, eventId, webhookId, replayId: '' });
  });
  process.world.ledger.routed(record, ids);
  const place = { place: placeOf(record), offset: record.offset };
  process.world.ledger.touch(process, place, { deliveryIds: ids, isAttempt: false });
}

/** The index must find what a plain look at all webhooks finds. */
function checkMatch(
  { world }: SimulatedProcess,
  { event, matched, view }: { event: Event; matched: readonly CachedWebhook[]; view: WebhookView },
): void {
  const plain = [...view.all()].filter(
    ({ tenantId, eventType, isActive }) =>
      isActive && tenantId === event.tenantId && (eventType === event.type || eventType === 'all'),
  );
  const [found, expected] = [matched, plain].map((list) =>
    list
      .map(({ id }) => id)
      .toSorted()
      .join(),
  );
  if (found !== expected) world.violate(`event ${event.id} matched ${found} instead of ${expected}`);
}

function indexOf(view: WebhookView): WebhookIndex {
  const index = new WebhookIndex();
  for (const webhook of view.all()) index.put(webhook);
  view.onChange((ids) => {
    for (const id of ids) {
      const webhook = view.get(id);
      if (webhook === undefined) index.remove(id);
      else index.put(webhook);
    }
  });
  return index;
}

function retryRole(process: SimulatedProcess): RoleService {
  const { world } = process;
  const { names } = world;
  const sources = new Map<Buffer, ConsumedRecord>();
  const mover = new RetryMover({
    publish: (records) => {
      for (const record of records) checkMove(process, record, sources);
      return process.publish(records);
    },
    partitionCount: (topic) => process.partitionCount(topic),
    topics: names,
    jitter: world.schedule.jitter,
    log: process.log,
    now: () => world.time.nowMs,
  });
  return {
    handler: {
      onAssigned: (partition) => mover.onAssigned(partition),
      onRevoked: (partition) => mover.onRevoked(partition),
      onRecords: (partition, records) => {
        for (const record of records) if (record.value !== null) sources.set(record.value, record);
        mover.onRecords(partition, records);
      },
    },
    topics: world.schedule.tiers.map(({ name }) => names.retry(name)),
    reading: {},
    start: () => mover.start(),
    stop: () => mover.stop(),
    busy: () => 0,
    leftovers: () => [],
  };
}

/** Latest moment of a move after it was due, while nothing is disturbed. */
const MOVE_TOLERANCE_MS = 2_000;

function checkMove(
  process: SimulatedProcess,
  { value }: OutgoingRecord,
  sources: ReadonlyMap<Buffer, ConsumedRecord>,
): void {
  const { world } = process;
  if (!process.isAlive) return;
  const source = value === null ? undefined : sources.get(value);
  if (source === undefined) return world.violate('the mover moves what it was never given');
  const place = { place: placeOf(source), offset: source.offset };
  const delivery = world.deliveries.read(source.value);
  world.ledger.touch(process, place, { deliveryIds: [delivery?.delivery_id ?? ''], isAttempt: false });
  const dueMs = dueMsOf(process.world, source);
  const lateMs = world.time.nowMs - dueMs;
  if (lateMs < 0) world.violate(`${place.place}/${source.offset} moved ${-lateMs} ms early`);
  const isCalm = world.disturbedAtMs < dueMs - MOVE_TOLERANCE_MS;
  if (isCalm && lateMs > MOVE_TOLERANCE_MS) world.violate(`${place.place}/${source.offset} moved ${lateMs} ms late`);
}

/** When a record of a retry topic is due. */
export function dueMsOf(
  { names, schedule, scenario }: SimulatedProcess['world'],
  { topic, partition, timestampMs }: { topic: string; partition: number; timestampMs: number },
): number {
  const delayMs = parseDelayMs(topic.slice(names.retryPrefix.length)) ?? 0;
  return timestampMs + partitionDelayMs(delayMs, schedule.jitter, partition, scenario.partitions.retry);
}

export const ROLES: Roles = { router: routerRole, delivery: deliveryRole, retry: retryRole };
