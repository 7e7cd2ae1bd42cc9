import type { AttemptRecord } from '../../src/domain/attempt-record.ts';
import type { DeliveryRecord } from '../../src/domain/delivery-record.ts';
import type { EventReadResult } from '../../src/domain/event.ts';
import type { ConsumedRecord } from '../../src/domain/record.ts';
import { createRetrySchedule, type RetrySchedule } from '../../src/domain/retry-schedule.ts';
import { type TopicNames, topicNames } from '../../src/infrastructure/kafka/topics.ts';
import { Codec } from './codec.ts';
import { describeEntry, EVENTS_TOPIC, eventOf, produce } from './events.ts';
import { Ledger } from './ledger.ts';
import type { Client, Cluster } from './model/cluster.ts';
import { WebhookTable } from './model/directory.ts';
import { Group } from './model/group.ts';
import { Log, type LogEntry, placeOf } from './model/log.ts';
import { Receivers } from './model/receivers.ts';
import { SimulatedProcess, type World } from './process.ts';
import { Random } from './random.ts';
import { nextDueMsOf, openRecords } from './rest.ts';
import { ROLES } from './roles.ts';
import type { Fault, Role, Scenario, Step } from './scenario.ts';
import { VirtualTime } from './virtual-time.ts';

/** What came of a scenario. */
export interface Report {
  /** Rules that were broken; empty when all is well. */
  readonly violations: readonly string[];
  readonly duplicates: number;
  readonly events: number;
  readonly elapsedMs: number;
}

/** By then everything must have come to rest: what waits for a webhook that only fails may wait for days. */
const PATIENCE_MS = 60 * 86_400_000;
const MOST_EVENTS = 400_000;
const GENTLE: ReadonlySet<Fault['kind']> = new Set(['stop', 'rejoin', 'webhook', 'resend', 'garbage']);
const MOST_STRIKES = 10;
/** Nothing may have disturbed anybody for this long before the end. */
const CALM_MS = 5_000;
const END = Number.POSITIVE_INFINITY;
const LEAP_MARGIN_MS = 300;

/** Runs one scenario from its first event until everything has come to rest, or a rule is broken. */
export async function simulate(scenario: Scenario, tell: (line: string) => void = () => {}): Promise<Report> {
  const simulation = new Simulation(scenario, tell);
  const uninstall = simulation.time.install();
  try {
    await simulation.run();
  } finally {
    uninstall();
  }
  const { violations, ledger, time } = simulation;
  return { violations, duplicates: ledger.duplicates, events: time.eventCount, elapsedMs: time.elapsedMs };
}

class Simulation implements World, Cluster {
  readonly scenario: Scenario;
  readonly time = new VirtualTime((error) => this.violate(`an error escaped: ${String(error)}`));
  readonly log = new Log(this.time);
  readonly names: TopicNames = topicNames('');
  readonly schedule: RetrySchedule;
  readonly deliveries = new Codec<DeliveryRecord>('d');
  readonly attempts = new Codec<AttemptRecord>('a');
  readonly violations: string[] = [];
  readonly ledger: Ledger;
  readonly webhooks: WebhookTable;
  readonly receivers: Receivers;
  readonly observer;
  disturbedAtMs: number;
  readonly isGentle: boolean;
  readonly #tell: (line: string) => void;
  readonly #random: Random;
  readonly #groups = new Map<string, Group>();
  readonly #processes = new Map<string, SimulatedProcess>();
  readonly #strikes = new Map<Fault, number>();
  readonly #armed = new Map<Fault & { kind: 'kill' }, number>();
  /** What the scenario still has in store. */
  #pendingCount = 0;

  constructor(scenario: Scenario, tell: (line: string) => void) {
    this.scenario = scenario;
    this.#tell = tell;
    this.#random = new Random(scenario.seed ^ 0x5eed);
    this.disturbedAtMs = this.time.nowMs;
    this.isGentle = scenario.faults.every(({ kind }) => GENTLE.has(kind));
    const schedule = createRetrySchedule(scenario.delays, scenario.jitter);
    if (schedule === null) throw new Error('the scenario has no schedule');
    this.schedule = schedule;
    this.#createTopics();
    const { log, names, deliveries, attempts } = this;
    this.ledger = new Ledger({
      log,
      names,
      deliveries,
      attempts,
      violate: (what) => this.violate(what),
      owns: (client, place) => this.#owns(client, place),
    });
    this.observer = {
      publishFailed: (written: readonly LogEntry[]) => this.ledger.publishFailed(written),
      committed: (commit: Parameters<Ledger['committed']>[0]) => {
        const { place, after, by, groupId } = commit;
        this.story(`${by.name} commits ${groupId} ${place} at ${after.offset} ${after.metadata ?? ''}`);
        this.ledger.committed(commit);
      },
    };
    this.webhooks = new WebhookTable(this);
    this.receivers = new Receivers(this, this.ledger);
    log.onAppend((entry) => this.story(describeEntry(entry, this)));
    log.onAppend(({ topic, value }) => {
      if (topic !== names.attempts) return;
      const entry = attempts.read(value);
      if (entry?.webhook_state !== 'gone') return;
      const apply = () => this.webhooks.markGone(entry.webhook_id, entry.webhook_version);
      this.time.schedule(this.#random.between(10, 3_000), apply, null);
    });
  }

  async run(): Promise<void> {
    for (const event of this.scenario.events) this.#at(event.atMs, () => produce(this.log, event));
    for (const fault of this.scenario.faults) this.#at(fault.atMs, () => this.#begin(fault));
    for (const [role, count] of Object.entries(this.scenario.processes)) {
      for (let index = 0; index < count; index++) this.#spawn(role as Role, index);
    }
    while (this.violations.length === 0 && !this.#isAtRest()) {
      if (!(await this.time.step())) this.violate('nothing happens any more');
      if (this.time.elapsedMs > PATIENCE_MS || this.time.eventCount > MOST_EVENTS) this.violate(this.#whyNotAtRest());
    }
    if (this.violations.length === 0) await this.#end();
  }

  group(id: string): Group {
    const known = this.#groups.get(id);
    if (known !== undefined) return known;
    const group: Group = new Group({
      time: this.time,
      random: this.#random.fork(),
      onUnrest: () => this.disturb(),
      onMoved: (place, from) => {
        const process = [...this.#processes.values()].find((candidate) => candidate === from);
        if (process !== undefined) this.ledger.lost(process, place, `${process.name} was put out of ${place}`);
      },
    });
    this.#groups.set(id, group);
    return group;
  }

  /** Whether the fault hits this time: those that write and deny it do so only a few times, for each makes repeats. */
  strikes(fault: Fault & { kind: 'publish' }): boolean {
    if (fault.mode === 'refused' || fault.mode === 'slow') return true;
    const count = (this.#strikes.get(fault) ?? 0) + 1;
    this.#strikes.set(fault, count);
    return count <= MOST_STRIKES;
  }

  fault<K extends Fault['kind']>(kind: K): Extract<Fault, { kind: K }> | null {
    const { elapsedMs } = this.time;
    for (const fault of this.scenario.faults) {
      if (fault.kind !== kind || !('forMs' in fault)) continue;
      if (fault.atMs <= elapsedMs && elapsedMs < fault.atMs + fault.forMs) return fault as Extract<Fault, { kind: K }>;
    }
    return null;
  }

  disturb(): void {
    this.disturbedAtMs = this.time.nowMs;
  }

  violate(what: string): void {
    this.violations.push(`${(this.time.elapsedMs / 1000).toFixed(3)} s: ${what}`);
    this.story(`VIOLATION: ${what}`);
  }

  story(what: string): void {
    this.#tell(`${(this.time.elapsedMs / 1000).toFixed(3).padStart(9)} s  ${what}`);
  }

  readEvent({ random }: Client, { value }: ConsumedRecord): EventReadResult | Promise<EventReadResult> {
    if (this.fault('registry') !== null && random.chance(0.5)) {
      this.disturb();
      return this.time.delay(random.between(1, 100)).then(() => Promise.reject(new Error('The registry is away')));
    }
    const result = eventOf(this.scenario, value);
    return random.chance(0.1) ? this.time.delay(random.between(1, 100)).then(() => result) : result;
  }

  reached(process: SimulatedProcess, step: Step): void {
    this.story(`${process.name} ${step}`);
    for (const [fault, count] of this.#armed) {
      if (fault.step !== step || fault.role !== process.role || fault.index !== process.index) continue;
      this.#armed.set(fault, count + 1);
      if (count + 1 < fault.nth) continue;
      this.#armed.delete(fault);
      this.#kill(process, fault.downMs);
    }
  }

  #owns(client: Client, place: string): boolean {
    const owners = [...this.#groups.values()].map((group) => group.ownerOf(place));
    return owners.some((owner) => owner === client);
  }

  #createTopics(): void {
    const { names, log, scenario } = this;
    log.create(EVENTS_TOPIC, scenario.partitions.events);
    for (const topic of [names.deliveries, names.overflow, names.ready])
      log.create(topic, scenario.partitions.deliveries);
    for (const { name } of this.schedule.tiers) log.create(names.retry(name), scenario.partitions.retry);
    for (const topic of [names.attempts, names.deadDeliveries, names.deadEvents]) log.create(topic, 2);
  }

  #at(atMs: number, act: () => void): void {
    this.#pendingCount += 1;
    this.time.schedule(
      atMs - this.time.elapsedMs,
      () => {
        this.#pendingCount -= 1;
        act();
      },
      null,
    );
  }

  #spawn(role: Role, index: number): void {
    const process = new SimulatedProcess(this, { role, index, random: this.#random.fork() }, ROLES);
    this.#processes.set(process.name, process);
    this.disturb();
    this.story(`${process.name} starts`);
    this.time.schedule(0, () => void process.start(), process);
  }

  #begin(fault: Fault): void {
    this.disturb();
    this.story(`FAULT ${JSON.stringify(fault)}`);
    if ('role' in fault) return this.#hit(fault);
    switch (fault.kind) {
      case 'webhook':
        return this.webhooks.change(fault.webhookId, fault.change);
      case 'resend':
        return this.#resend(fault.eventId);
      case 'garbage':
        this.log.append(this.names.deliveries, 0, { kind: 'record', key: null, value: Buffer.from('?'), headers: {} });
        return;
      case 'publish':
      case 'commit':
      case 'admin':
      case 'registry':
      case 'database':
        // They last: whoever does such a thing asks `fault`. Nothing is at rest before they are over.
        return this.#at(fault.atMs + fault.forMs, () => this.disturb());
    }
  }

  #hit(fault: Extract<Fault, { role: Role }>): void {
    if (fault.kind === 'kill' && fault.step !== null) return void this.#armed.set(fault, 0);
    const process = this.#processes.get(`${fault.role}/${fault.index}`);
    if (process === undefined || !process.isAlive || process.isStopping) return;
    const [consumer] = process.kafka.consumers.slice(-1);
    switch (fault.kind) {
      case 'kill':
        return this.#kill(process, fault.downMs);
      case 'stop':
        return this.#stop(process, fault.downMs);
      case 'freeze':
        process.frozenUntilMs = Math.max(process.frozenUntilMs, this.time.nowMs + fault.forMs);
        for (const group of this.#groups.values()) group.silent(process);
        return this.#at(this.time.elapsedMs + fault.forMs, () => this.disturb());
      case 'rejoin':
        this.time.schedule(0, () => consumer?.rejoin(), process);
        return;
      case 'crash':
        this.time.schedule(0, () => void consumer?.crash(fault.restarts), process);
    }
  }

  #kill(process: SimulatedProcess, downMs: number): void {
    if (!process.isAlive) return;
    this.story(`${process.name} is killed`);
    this.disturb();
    this.ledger.lost(process, null, `${process.name} was killed`);
    process.isAlive = false;
    for (const group of this.#groups.values()) group.silent(process);
    this.#at(this.time.elapsedMs + downMs, () => this.#spawn(process.role, process.index));
  }

  #stop(process: SimulatedProcess, downMs: number): void {
    this.#pendingCount += 1;
    const restart = () => {
      this.#pendingCount -= 1;
      const left = this.isGentle ? process.leftovers() : [];
      if (left.length > 0) this.violate(`after its stop ${left.join(', ')}`);
      this.#at(this.time.elapsedMs + downMs, () => this.#spawn(process.role, process.index));
    };
    // A kill during the stop brings its own restart.
    const wait = () => {
      if (process.isAlive) this.time.schedule(100, wait, null);
      else if (this.#processes.get(process.name) === process && process.isStopped) restart();
      else this.#pendingCount -= 1;
    };
    this.time.schedule(0, () => void process.stop(), process);
    this.time.schedule(100, wait, null);
  }

  #resend(eventId: string): void {
    const event = this.scenario.events.find(({ id }) => id === eventId);
    if (event === undefined || event.kind !== 'event') return;
    this.ledger.resent(eventId);
    produce(this.log, event);
  }

  /** Whether everything has come to rest; lets idle time pass on the way. */
  #isAtRest(): boolean {
    const { time } = this;
    if (time.eventCount % 8 !== 0) return false;
    for (const process of this.#processes.values()) if (process.busy > 0) return false;
    const nextDueMs = nextDueMsOf(openRecords(this), this);
    if (nextDueMs === null && this.#pendingCount === 0) return time.nowMs - this.disturbedAtMs > CALM_MS;
    const targetMs = Math.min(nextDueMs ?? END, time.nextDecisiveMs() ?? END) - LEAP_MARGIN_MS;
    if (targetMs > time.nowMs + LEAP_MARGIN_MS && targetMs < END) time.leapTo(targetMs);
    return false;
  }

  #whyNotAtRest(): string {
    const open = openRecords(this).map((entry) => `${placeOf(entry)}/${entry.offset}`);
    return `does not come to rest: not committed are ${open.join(', ')}; ${this.#pendingCount} faults to come`;
  }

  /** Stops everything in order and looks at what is left. */
  async #end(): Promise<void> {
    const running = [...this.#processes.values()];
    for (const process of running) this.time.schedule(0, () => void process.stop(), process);
    const deadlineMs = this.time.elapsedMs + 60_000;
    while (running.some(({ isAlive }) => isAlive) && this.time.elapsedMs < deadlineMs) await this.time.step();
    for (const process of running) {
      if (process.isAlive) this.violate(`${process.name} does not stop`);
      for (const what of process.leftovers()) this.violate(what);
    }
    const timers = this.time.ticking(running);
    if (timers > 0) this.violate(`${timers} timers run on after the stop`);
    this.ledger.checkEnd();
  }
}
