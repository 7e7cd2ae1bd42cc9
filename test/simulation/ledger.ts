import type { AttemptRecord } from '../../src/domain/attempt-record.ts';
import { decodeCompletions, MAX_METADATA_BYTES } from '../../src/domain/completion-map.ts';
import type { DeliveryRecord } from '../../src/domain/delivery-record.ts';
import type { OutgoingRecord } from '../../src/domain/record.ts';
import type { TopicNames } from '../../src/infrastructure/kafka/topics.ts';
import type { Codec } from './codec.ts';
import type { Client } from './model/cluster.ts';
import type { Committed } from './model/group.ts';
import { type Log, type LogEntry, placeOf } from './model/log.ts';

/** All that is known from outside about one delivery. */
interface DeliveryAccount {
  readonly id: string;
  eventId: string;
  webhookId: string;
  acceptedCount: number;
  deadLetterCount: number;
  /** Repeats that faults of the scenario may cause, each with its reason. */
  readonly excuses: string[];
  /** How far the log says that the delivery has come: see `rankOf`. */
  doneRank: number;
  readonly said: Set<string>;
}

/** Work of a process that it would do again if it died now: begun, and not covered by a commit of its own. */
interface Touched {
  readonly deliveryIds: readonly string[];
  readonly isAttempt: boolean;
}

/** What the ledger looks at. */
interface LedgerWorld {
  readonly log: Log;
  readonly names: TopicNames;
  readonly deliveries: Codec<DeliveryRecord>;
  readonly attempts: Codec<AttemptRecord>;
  readonly violate: (what: string) => void;
  /** Whether the group has given the partition to this process. */
  readonly owns: (client: Client, place: string) => boolean;
}

const END = Number.POSITIVE_INFINITY;

/** Orders the steps of a delivery: by attempt, then by how often that attempt was set aside. */
export function rankOf(attempt: number, rewrites: number): number {
  return attempt * 1_000 + rewrites;
}

/** Watches the log, the commits and the receivers, and says what must not be. Knows nothing of how the product works. */
export class Ledger {
  /** Deliveries that each pass of the router over an event has to write. */
  readonly #passes = new Map<string, string[][]>();
  readonly #accounts = new Map<string, DeliveryAccount>();
  readonly #resentEvents = new Map<string, number>();
  readonly #deadSources = new Set<string>();
  readonly #moved = new Set<string>();
  readonly #touched = new Map<Client, Map<string, Map<number, Touched>>>();
  /** What a partition's owner need not handle: covered by the commit from which it began, or handed over already. */
  readonly #notAgain = new Map<string, { before: Committed | null; handed: Set<number> }>();
  readonly #world: LedgerWorld;

  constructor(world: LedgerWorld) {
    this.#world = world;
    world.log.onAppend((entry) => this.#appended(entry));
  }

  account(id: string): DeliveryAccount {
    const known = this.#accounts.get(id);
    if (known !== undefined) return known;
    const account: DeliveryAccount = {
      id,
      eventId: '',
      webhookId: '',
      acceptedCount: 0,
      deadLetterCount: 0,
      excuses: [],
      doneRank: 0,
      said: new Set(),
    };
    this.#accounts.set(id, account);
    return account;
  }

  get duplicates(): number {
    return [...this.#accounts.values()].reduce((sum, { acceptedCount }) => sum + Math.max(0, acceptedCount - 1), 0);
  }

  excuse(id: string, reason: string): void {
    this.account(id).excuses.push(reason);
  }

  /** A router decided over an event: these deliveries have to be in the log before the event may be committed. */
  routed(event: { topic: string; partition: number; offset: number }, deliveryIds: string[]): void {
    const place = sourceOf(event);
    const passes = this.#passes.get(place) ?? [];
    passes.push(deliveryIds);
    this.#passes.set(place, passes);
  }

  /** The producer sends an event again: each of its deliveries may be made once more. */
  resent(eventId: string): void {
    this.#resentEvents.set(eventId, (this.#resentEvents.get(eventId) ?? 0) + 1);
  }

  /** A process was given a partition: it must not be handed what the commit from which it starts covers. */
  assigned(client: Client, place: string, before: Committed | null): void {
    this.#notAgain.set(ownershipOf(client, place), { before, handed: new Set() });
  }

  handed(client: Client, place: string, offsets: readonly number[]): void {
    const known = this.#notAgain.get(ownershipOf(client, place));
    if (known === undefined) return this.#world.violate(`records of ${place} were handed over before the assignment`);
    for (const offset of offsets) {
      if (covers(known.before, offset)) this.#world.violate(`${place}/${offset} was handed over although completed`);
      if (known.handed.has(offset)) this.#world.violate(`${place}/${offset} was handed over twice to one owner`);
      known.handed.add(offset);
    }
  }

  /** A process begins something for the record at `offset` that would be repeated if it died before the commit. */
  touch(client: Client, { place, offset }: { place: string; offset: number }, touched: Touched): void {
    const places = this.#touched.get(client) ?? new Map<string, Map<number, Touched>>();
    this.#touched.set(client, places);
    const offsets = places.get(place) ?? new Map<number, Touched>();
    places.set(place, offsets);
    offsets.set(offset, touched);
    if (this.#world.owns(client, place)) return;
    for (const id of touched.deliveryIds)
      this.excuse(id, 'begun by a process that had lost the partition and did not know');
  }

  /** Attempts begun by the process that no commit of its covers. */
  uncoveredAttempts(client: Client): number {
    let count = 0;
    for (const offsets of this.#touched.get(client)?.values() ?? []) {
      for (const { isAttempt } of offsets.values()) if (isAttempt) count += 1;
    }
    return count;
  }

  uncovered(client: Client): number {
    let count = 0;
    for (const offsets of this.#touched.get(client)?.values() ?? []) count += offsets.size;
    return count;
  }

  /** The process lost a partition, or with `place` null its life: what it had begun there may come a second time. */
  lost(client: Client, place: string | null, reason: string): void {
    for (const [candidate, offsets] of this.#touched.get(client) ?? []) {
      if (place !== null && candidate !== place) continue;
      for (const { deliveryIds } of offsets.values()) for (const id of deliveryIds) this.excuse(id, reason);
      offsets.clear();
    }
  }

  committed(commit: { groupId: string; place: string; before: Committed | null; after: Committed; by: Client }): void {
    const { groupId, place, before, after, by } = commit;
    const beforeOffset = before?.offset ?? 0;
    const what = `the commit of ${after.offset} in ${place} by ${groupId}`;
    if (after.offset < beforeOffset) this.#world.violate(`${what} goes back from ${beforeOffset}`);
    if ((after.metadata?.length ?? 0) > MAX_METADATA_BYTES) this.#world.violate(`${what} has too much metadata`);
    const [topic = '', partition = ''] = place.split('/');
    const entries = this.#world.log.entries(topic, Number(partition));
    if (after.offset > entries.length) this.#world.violate(`${what} is beyond the end`);
    const claimed = decodeCompletions(after.offset, after.metadata);
    for (const entry of entries.slice(beforeOffset)) {
      const isClaimed = entry.offset < after.offset || claimed.has(entry.offset);
      if (isClaimed && !this.isFinished(entry)) this.#world.violate(`${what} passes ${entry.offset}, which is open`);
    }
    const offsets = this.#touched.get(by)?.get(place);
    for (const offset of offsets?.keys() ?? []) if (covers(after, offset)) offsets?.delete(offset);
  }

  /** Whether everything that had to come of a record is in the log. */
  isFinished(entry: LogEntry): boolean {
    if (entry.kind !== 'record' || this.#deadSources.has(sourceOf(entry))) return true;
    const { names } = this.#world;
    if (entry.topic.startsWith('events.')) {
      const passes = this.#passes.get(sourceOf(entry)) ?? [];
      return passes.some((ids) => ids.every((id) => this.#accounts.get(id)?.said.has('created') === true));
    }
    const delivery = this.#world.deliveries.read(entry.value);
    if (delivery === null) return false;
    if (entry.topic.startsWith(names.retryPrefix)) return this.#moved.has(stepName(delivery));
    return this.account(delivery.delivery_id).doneRank >= rankOf(delivery.attempt, delivery.rewrites);
  }

  /** Records that a failed publish has written: they will be written again. */
  publishFailed(written: readonly LogEntry[]): void {
    for (const { value } of written) this.#excuseWritten(value, 'publish failed after writing');
  }

  publishRejected(records: readonly OutgoingRecord[]): void {
    for (const { value } of records) this.#excuseWritten(value, 'publish given up');
  }

  accepted(id: string): void {
    this.account(id).acceptedCount += 1;
  }

  answerLost(id: string): void {
    this.excuse(id, 'answer lost');
  }

  /** What must be true once everything has come to rest. */
  checkEnd(): void {
    for (const account of this.#accounts.values()) {
      const { acceptedCount, deadLetterCount, excuses, said } = account;
      const name = `of ${account.eventId} to ${account.webhookId}`;
      if (!said.has('created')) {
        // Planned by a router that died before it wrote: the next one decides anew.
        if (acceptedCount + deadLetterCount > 0) this.#world.violate(`the delivery ${name} was never created`);
        continue;
      }
      if (acceptedCount + deadLetterCount === 0) this.#world.violate(`the delivery ${name} is lost`);
      if (acceptedCount - 1 > excuses.length + (this.#resentEvents.get(account.eventId) ?? 0)) {
        const known = excuses.length === 0 ? 'nothing' : excuses.join(', ');
        this.#world.violate(`the delivery ${name} was accepted ${acceptedCount} times; what excuses repeats: ${known}`);
      }
    }
  }

  #appended(entry: LogEntry): void {
    const { names } = this.#world;
    if (entry.topic === names.attempts) return this.#saidOf(entry);
    if (entry.topic === names.deadEvents) return this.#dead(entry);
    if (entry.topic.startsWith('events.')) return;
    const delivery = this.#world.deliveries.read(entry.value);
    if (entry.topic === names.deadDeliveries) this.#dead(entry);
    if (delivery === null) return;
    const account = this.account(delivery.delivery_id);
    account.eventId = delivery.event_id;
    account.webhookId = delivery.webhook_id;
    if (entry.topic === names.deliveries) account.said.add('created');
    else if (entry.topic === names.ready) this.#moved.add(stepName(delivery));
    else if (entry.topic === names.deadDeliveries) account.said.add(`dead letter ${delivery.attempt}`);
    else account.said.add(`copy ${delivery.attempt}.${delivery.rewrites}`);
    this.#conclude(account, delivery.attempt, delivery.rewrites);
  }

  #dead(entry: LogEntry): void {
    const { 'posthorn-source': source, 'posthorn-reason': reason } = entry.headers;
    if (reason === undefined || reason.length === 0) this.#world.violate('a dead letter gives no reason');
    if (this.#world.deliveries.read(entry.value) === null) this.#deadSources.add(String(source));
    const delivery = this.#world.deliveries.read(entry.value);
    if (delivery !== null) this.account(delivery.delivery_id).deadLetterCount += 1;
  }

  #saidOf(entry: LogEntry): void {
    const attempt = this.#world.attempts.read(entry.value);
    if (attempt === null) return this.#world.violate('a record on attempts cannot be read');
    const account = this.account(attempt.delivery_id);
    account.said.add(`${attempt.outcome} ${attempt.attempt}`);
    if (attempt.outcome === 'succeeded' && account.acceptedCount === 0) {
      this.#world.violate(`delivery ${account.id} is logged as succeeded, and no receiver has accepted it`);
    }
    this.#conclude(account, attempt.attempt, 0);
  }

  /** A step is done when all that has to be written for it is written: the log entry and the copy that goes on. */
  #conclude(account: DeliveryAccount, attempt: number, rewrites: number): void {
    const { said } = account;
    const done = (rank: number) => {
      account.doneRank = Math.max(account.doneRank, rank);
    };
    for (const current of [attempt, attempt - 1]) {
      if (said.has(`succeeded ${current}`)) done(END);
      if (said.has(`retrying ${current}`) && said.has(`copy ${current + 1}.0`)) done(rankOf(current, 999));
      if (said.has(`dead ${current}`) && said.has(`dead letter ${current}`)) done(rankOf(current, 999));
    }
    for (
      let next = Math.max(1, rewrites);
      said.has(`waiting ${attempt}`) && said.has(`copy ${attempt}.${next}`);
      next++
    ) {
      done(rankOf(attempt, next - 1));
    }
  }

  #excuseWritten(value: Buffer | null, reason: string): void {
    const delivery = this.#world.deliveries.read(value);
    if (delivery !== null) this.excuse(delivery.delivery_id, reason);
  }
}

function covers(committed: Committed | null, offset: number): boolean {
  if (committed === null) return false;
  return offset < committed.offset || decodeCompletions(committed.offset, committed.metadata).has(offset);
}

const ownerNumbers = new WeakMap<Client, number>();
let ownerCount = 0;

function ownershipOf(client: Client, place: string): string {
  const number = ownerNumbers.get(client) ?? ++ownerCount;
  ownerNumbers.set(client, number);
  return `${number} ${place}`;
}

function sourceOf(entry: { topic: string; partition: number; offset: number }): string {
  return `${placeOf(entry)}/${entry.offset}`;
}

function stepName({ delivery_id, attempt, rewrites }: DeliveryRecord): string {
  return `${delivery_id} ${attempt}.${rewrites}`;
}
