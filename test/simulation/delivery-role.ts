import type { Lane } from '../../src/domain/lane.ts';
import type { Lanes } from '../../src/domain/lanes.ts';
import type { SendResult, WebhookRequest } from '../../src/domain/send-result.ts';
import { type AttemptReport, attemptDelivery } from '../../src/processes/delivery/attempt.ts';
import { DeliveryEngine } from '../../src/processes/delivery/engine.ts';
import type { Job } from '../../src/processes/delivery/job.ts';
import { OutcomeRecords } from '../../src/processes/delivery/outcome-records.ts';
import { Spill, type SpillBatch, type SpillOptions } from '../../src/processes/delivery/spill.ts';
import { unreadableDelivery } from '../../src/processes/delivery/unreadable.ts';
import { WebhookAccess } from '../../src/processes/delivery/webhook-access.ts';
import { LaneWatch } from './lane-watch.ts';
import { placeOf } from './model/log.ts';
import type { RoleService, SimulatedProcess } from './process.ts';

/** The spill, seen by the ledger: what it sets aside would be set aside again after a death. */
class WatchedSpill extends Spill {
  readonly #process: SimulatedProcess;

  constructor(options: SpillOptions, process: SimulatedProcess) {
    super(options);
    this.#process = process;
  }

  override collect(lanes: Lanes<Job>, nowMs: number): SpillBatch[] {
    const batches = super.collect(lanes, nowMs);
    for (const batch of batches) this.#note(batch);
    return batches;
  }

  override sortDelayed(delayed: readonly Job[], nowMs: number): { wait: Job[]; hop: SpillBatch } {
    const sorted = super.sortDelayed(delayed, nowMs);
    this.#note(sorted.hop);
    return sorted;
  }

  #note({ jobs }: SpillBatch): void {
    for (const job of jobs) touch(this.#process, job, false);
  }
}

function touch(process: SimulatedProcess, { partition, offset, delivery }: Job, isAttempt: boolean): void {
  const deliveryIds = [delivery.delivery_id];
  process.world.ledger.touch(process, { place: placeOf(partition), offset }, { deliveryIds, isAttempt });
}

export function deliveryRole(process: SimulatedProcess): RoleService {
  const { world, random } = process;
  const { limits } = world.scenario;
  const view = world.webhooks.open(process);
  const retryPartitions = () => world.scenario.partitions.retry;
  const records = createRecords(process, retryPartitions);
  const access = new WebhookAccess({ directory: view, keysOf: () => [], log: process.log });
  const watch = new LaneWatch(process, view, limits);
  const attempt = {
    access,
    send: (request: WebhookRequest): Promise<SendResult> => watch.send(request),
    records,
    schedule: world.schedule,
    retryPartitions,
    timeoutMs: limits.timeoutMs,
    userAgent: 'simulation',
    log: process.log,
    now: () => world.time.nowMs,
    onAttempted: () => {},
    onEnded: () => {},
    onSetAside: () => {},
  };
  const run = async (job: Job): Promise<AttemptReport> => {
    if (!process.isAlive) return new Promise(() => {});
    world.story(`${process.name} tries ${placeOf(job.partition)}/${job.offset} (${job.delivery.webhook_id})`);
    watch.begin(job);
    touch(process, job, true);
    const report = await attemptDelivery(job, attempt);
    watch.end(job);
    return report;
  };
  const engine: DeliveryEngine = new DeliveryEngine(limits, {
    // The first decode of a schema asks the registry.
    decodeDelivery: (value) => {
      const delivery = world.deliveries.decode(value);
      return random.chance(0.05) ? world.time.delay(random.between(1, 40)).then(() => delivery) : delivery;
    },
    attempt: run,
    spill: new WatchedSpill(
      {
        records,
        schedule: world.schedule,
        retryPartitions,
        crowdedAt: limits.crowdedAt,
        parkAfterMs: 3_600_000,
        mayPark: () => false,
        onSetAside: () => {},
      },
      process,
    ),
    publish: (outgoing) => process.publish(outgoing),
    unreadable: (record, error) => unreadableDelivery(world.names.deadDeliveries, record, error, world.time.nowMs),
    uncommitted: () => process.consumer.uncommitted,
    onRepeat: () => {},
    log: process.log,
    now: () => world.time.nowMs,
  });
  view.onChange((ids) => {
    watch.reset(ids);
    engine.webhooksChanged(ids);
  });
  watch.follow(engine.lanes);
  return createService(process, engine, watch);
}

function createRecords(process: SimulatedProcess, retryPartitions: () => number): OutcomeRecords {
  const { world, random } = process;
  let count = 0;
  return new OutcomeRecords({
    topics: world.names,
    schedule: world.schedule,
    retryPartitions,
    encodeDelivery: (delivery) => world.deliveries.encode(delivery),
    encodeAttempt: (entry) => world.attempts.encode(entry),
    newId: () => `${process.name}-${++count}`,
    random: () => random.next(),
  });
}

function createService(process: SimulatedProcess, engine: DeliveryEngine, watch: LaneWatch): RoleService {
  const { names, scenario } = process.world;
  const topics = [names.deliveries, names.overflow, names.ready];
  return {
    handler: {
      onRevoked: (partition) => {
        watch.lost(partition);
        engine.onRevoked(partition);
      },
      onRecords: (partition, given) => {
        watch.expect(partition, given, process.consumer.uncommitted);
        engine.onRecords(partition, given);
      },
    },
    topics,
    reading: {
      colocated: topics,
      windowRecords: scenario.limits.windowRecords,
      commitEagerlyAt: Math.max(1, Math.floor(scenario.limits.maxUncommitted / 2)),
      onCommitted: () => engine.pump(),
    },
    start: () => engine.start(),
    stop: () => engine.stop(),
    busy: () => engine.inFlight,
    leftovers: () => [...leftoversOf(engine), ...watch.leftovers()],
  };
}

function leftoversOf({ inFlight, lanes }: DeliveryEngine): string[] {
  const counts = { 'in flight': inFlight, young: lanes.young, slow: lanes.slow, queued: lanes.queued };
  const left = Object.entries(counts).filter(([, count]) => count !== 0);
  const busy = [...lanes.all()].filter(isBusy).map(({ webhookId }) => `work in the lane of ${webhookId}`);
  return [...left.map(([name, count]) => `${count} ${name}`), ...busy];
}

function isBusy({ young, slow, queue }: Lane<Job>): boolean {
  return young !== 0 || slow !== 0 || queue.length !== 0;
}
