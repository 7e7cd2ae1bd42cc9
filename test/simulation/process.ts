import type { AttemptRecord } from '../../src/domain/attempt-record.ts';
import type { AssignedPartition, PartitionHandler } from '../../src/domain/consumer-contract.ts';
import type { DeliveryRecord } from '../../src/domain/delivery-record.ts';
import type { EventReadResult } from '../../src/domain/event.ts';
import type { ConsumedRecord, OutgoingRecord } from '../../src/domain/record.ts';
import type { RetrySchedule } from '../../src/domain/retry-schedule.ts';
import { type ConsumerOptions, TrackedConsumer } from '../../src/infrastructure/kafka/consumer.ts';
import { KafkaPublisher } from '../../src/infrastructure/kafka/publisher.ts';
import type { TopicNames } from '../../src/infrastructure/kafka/topics.ts';
import { createSilentLogger } from '../../src/infrastructure/telemetry/logger.ts';
import type { Codec } from './codec.ts';
import type { Ledger } from './ledger.ts';
import type { Client, Cluster } from './model/cluster.ts';
import type { WebhookTable } from './model/directory.ts';
import { ModelKafka } from './model/kafka.ts';
import { placeOf } from './model/log.ts';
import type { Receivers } from './model/receivers.ts';
import type { Random } from './random.ts';
import type { Role, Step } from './scenario.ts';

/** What every process of a simulation shares. */
export interface World extends Cluster {
  readonly ledger: Ledger;
  readonly names: TopicNames;
  readonly schedule: RetrySchedule;
  readonly deliveries: Codec<DeliveryRecord>;
  readonly attempts: Codec<AttemptRecord>;
  readonly webhooks: WebhookTable;
  readonly receivers: Receivers;
  readonly disturbedAtMs: number;
  /** Nothing in the scenario breaks anything: a stop must leave nothing to repeat. */
  readonly isGentle: boolean;
  readEvent(client: Client, record: ConsumedRecord): EventReadResult | Promise<EventReadResult>;
  /** A process comes to a step: a fault may have waited for it. */
  reached(process: SimulatedProcess, step: Step): void;
}

/** The service that a role adds to the process's consumer. */
export interface RoleService {
  readonly handler: PartitionHandler;
  readonly topics: readonly string[];
  readonly reading: Pick<ConsumerOptions, 'colocated' | 'windowRecords' | 'commitEagerlyAt' | 'onCommitted'>;
  start(): Promise<void>;
  /** Lets what runs come to its end. */
  stop(): Promise<void>;
  /** How much has begun and not ended. */
  busy(): number;
  /** Says what is left over when there should be nothing. */
  leftovers(): string[];
}

const SESSION_TIMEOUT_MS = 6_000;
const log = createSilentLogger();

/** One life of one process: the product's classes, put together as in the product, over the models. */
export class SimulatedProcess {
  readonly role: Role;
  readonly index: number;
  readonly random: Random;
  readonly world: World;
  readonly kafka: ModelKafka;
  readonly log = log;
  readonly consumer: TrackedConsumer;
  readonly #publisher: KafkaPublisher;
  readonly #service: RoleService;
  isAlive = true;
  isStopping = false;
  isStopped = false;
  frozenUntilMs = 0;

  constructor(world: World, { role, index, random }: { role: Role; index: number; random: Random }, roles: Roles) {
    this.world = world;
    this.role = role;
    this.index = index;
    this.random = random;
    this.kafka = new ModelKafka(world, this, `${role}-${index}`);
    const kafka = this.kafka.asKafka();
    this.#publisher = new KafkaPublisher({ kafka, log });
    this.#service = roles[role](this);
    this.consumer = new TrackedConsumer({
      ...this.#service.reading,
      kafka,
      groupId: world.names.group(role),
      topics: async () => this.#service.topics,
      handler: this.#watched(this.#service.handler),
      log,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      onFatal: (error) => world.violate(`${this.name} gives up: ${error.message}`),
    });
  }

  get name(): string {
    return `${this.role}/${this.index}`;
  }

  get busy(): number {
    return this.#service.busy();
  }

  get nowMs(): number {
    return this.world.time.nowMs;
  }

  reach(step: Step): void {
    if (this.isAlive) this.world.reached(this, step);
  }

  async start(): Promise<void> {
    await this.#publisher.start();
    await this.#service.start();
    await this.consumer.start();
  }

  /** A stop in the product's order: read no more, end what runs, commit, leave. */
  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    this.consumer.quiesce();
    await this.#service.stop();
    await this.consumer.stop();
    await this.#publisher.stop();
    const left = this.world.ledger.uncovered(this);
    if (left > 0 && this.world.isGentle) this.world.violate(`${this.name} stopped in order and would repeat ${left}`);
    this.world.ledger.lost(this, null, 'left after a stop');
    this.isStopped = true;
    this.isAlive = false;
  }

  leftovers(): string[] {
    const left = this.#service.leftovers();
    if (this.consumer.uncommitted > 0) left.push(`${this.consumer.uncommitted} uncommitted`);
    return left.map((what) => `${this.name} has ${what}`);
  }

  publish(records: readonly OutgoingRecord[]): Promise<void> {
    if (!this.isAlive) return new Promise(() => {});
    return this.#publisher.publish(records).catch((error: unknown) => {
      this.world.ledger.publishRejected(records);
      throw error;
    });
  }

  partitionCount(topic: string): Promise<number> {
    return this.#publisher.partitionCount(topic);
  }

  /** The ledger sees what a handler is given and what is taken from it. */
  #watched(handler: PartitionHandler): PartitionHandler {
    const { ledger } = this.world;
    const group = this.world.group(this.world.names.group(this.role));
    return {
      onAssigned: async (partition) => {
        const place = placeOf(partition);
        this.world.story(`${this.name} is given ${place}`);
        ledger.assigned(this, place, group.offsets.get(place) ?? null);
        return (await handler.onAssigned?.(partition)) ?? null;
      },
      onRevoked: (partition: AssignedPartition) => {
        if (!this.isAlive) return;
        this.world.story(`${this.name} loses ${placeOf(partition)}`);
        if (!this.isStopping) ledger.lost(this, placeOf(partition), `${this.name} lost a partition`);
        handler.onRevoked?.(partition);
      },
      onRecords: (partition, records) => {
        if (!this.isAlive) return;
        const offsets = records.map(({ offset }) => offset);
        this.world.story(`${this.name} reads ${placeOf(partition)} ${offsets.join()}`);
        ledger.handed(this, placeOf(partition), offsets);
        handler.onRecords(partition, records);
      },
    };
  }
}

export type Roles = Readonly<Record<Role, (process: SimulatedProcess) => RoleService>>;
