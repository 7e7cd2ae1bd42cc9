import type { Random } from '../random.ts';
import type { Owner, VirtualTime } from '../virtual-time.ts';
import { placeOf } from './log.ts';

export interface Committed {
  readonly offset: number;
  readonly metadata: string | null;
}

export type Assignment = Record<string, number[]>;

/** What the coordinator knows of a member. */
export interface GroupMember {
  readonly owner: Owner;
  readonly subscription: Buffer;
  readonly sessionTimeoutMs: number;
  /** Computes the assignment when this member leads. */
  assign(members: { memberId: string; memberMetadata: Buffer }[]): Promise<Map<string, Assignment>>;
  /** A heartbeat answers that the group rebalances. */
  onRebalance(): void;
  /** A heartbeat answers that the group does not know the member any more. */
  onExpelled(): void;
  onJoined(generation: number, assignment: Assignment): void;
}

interface Membership {
  readonly id: string;
  readonly member: GroupMember;
  isWaiting: boolean;
}

export interface CommitRequest {
  readonly memberId: string;
  readonly generation: number;
  readonly offsets: ReadonlyMap<string, Committed>;
}

const HEARTBEAT_MS = 600;

export interface GroupOptions {
  readonly time: VirtualTime;
  readonly random: Random;
  /** The group rebalances. */
  readonly onUnrest: () => void;
  /** A partition has another owner from now on, whether the old one knows or not. */
  readonly onMoved: (place: string, from: Owner) => void;
}

/**
 * The coordinator of one group with the classic protocol: every change makes all members rejoin; a new generation begins
 * when all have; a member that is silent for its session is put out. Commits are taken from every member of the present
 * generation, also for partitions that it does not own: brokers do not check that.
 */
export class Group {
  generation = 0;
  readonly offsets = new Map<string, Committed>();
  readonly #members = new Map<string, Membership>();
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #onUnrest: () => void;
  readonly #onMoved: (place: string, from: Owner) => void;
  readonly #owners = new Map<string, Owner>();
  #isPreparing = false;
  #memberCount = 0;

  constructor({ time, random, onUnrest, onMoved }: GroupOptions) {
    this.#time = time;
    this.#random = random;
    this.#onUnrest = onUnrest;
    this.#onMoved = onMoved;
  }

  get isStable(): boolean {
    return !this.#isPreparing;
  }

  /** Who has the partition by the present generation. */
  ownerOf(place: string): Owner | undefined {
    return this.#owners.get(place);
  }

  /** Adds a member, or lets a known one rejoin; returns its id. */
  join(member: GroupMember, knownId: string | null, clientId: string): string {
    const known = knownId === null ? undefined : this.#members.get(knownId);
    if (known !== undefined) {
      known.isWaiting = true;
      if (!this.#isPreparing) this.#prepare();
      this.#completeSoon();
      return known.id;
    }
    const id = `${clientId}-${++this.#memberCount}`;
    this.#members.set(id, { id, member, isWaiting: true });
    if (!this.#isPreparing) this.#prepare();
    this.#completeSoon();
    return id;
  }

  leave(memberId: string): void {
    if (!this.#members.delete(memberId)) return;
    this.#prepare();
    this.#completeSoon();
  }

  /** The owner has fallen silent: unless it comes back in time, its members are put out. */
  silent(owner: Owner): void {
    for (const { id, member } of this.#members.values()) {
      if (member.owner !== owner) continue;
      this.#time.schedule(member.sessionTimeoutMs, () => this.#expire(id), null);
    }
  }

  /** Answers with the error's type, or null when the commit was taken. */
  commit({ memberId, generation, offsets }: CommitRequest): string | null {
    if (!this.#members.has(memberId)) return 'UNKNOWN_MEMBER_ID';
    if (generation !== this.generation) return 'ILLEGAL_GENERATION';
    for (const [place, committed] of offsets) this.offsets.set(place, committed);
    return null;
  }

  #expire(id: string): void {
    const membership = this.#members.get(id);
    if (membership === undefined) return;
    const { owner } = membership.member;
    if (owner.isAlive && owner.frozenUntilMs <= this.#time.nowMs) return;
    this.leave(id);
    this.#time.schedule(this.#random.between(1, 500), () => membership.member.onExpelled(), owner);
  }

  #prepare(): void {
    this.#isPreparing = true;
    this.#onUnrest();
    for (const membership of this.#members.values()) {
      const { member } = membership;
      if (membership.isWaiting) continue;
      const tell = () => {
        if (membership.isWaiting || !this.#isPreparing || !this.#members.has(membership.id)) return;
        member.onRebalance();
        this.#time.schedule(HEARTBEAT_MS, tell, member.owner);
      };
      this.#time.schedule(this.#random.between(1, HEARTBEAT_MS), tell, member.owner);
    }
  }

  #completeSoon(): void {
    const isComplete = () => this.#isPreparing && [...this.#members.values()].every(({ isWaiting }) => isWaiting);
    if (!isComplete()) return;
    this.#time.schedule(
      this.#random.between(20, 300),
      () => {
        if (isComplete()) void this.#complete();
      },
      null,
    );
  }

  async #complete(): Promise<void> {
    this.#isPreparing = false;
    this.generation += 1;
    this.#onUnrest();
    const memberships = [...this.#members.values()];
    const [leader] = memberships;
    if (leader === undefined) return;
    const { generation } = this;
    for (const membership of memberships) membership.isWaiting = false;
    const assignments = await leader.member.assign(
      memberships.map(({ id, member }) => ({ memberId: id, memberMetadata: member.subscription })),
    );
    for (const { id, member } of memberships) {
      this.#give(assignments.get(id) ?? {}, member.owner);
      const tell = () => {
        if (this.#members.has(id)) member.onJoined(generation, assignments.get(id) ?? {});
      };
      this.#time.schedule(this.#random.between(1, 200), tell, member.owner);
    }
  }

  #give(assignment: Assignment, owner: Owner): void {
    for (const [topic, partitions] of Object.entries(assignment)) {
      for (const partition of partitions) {
        const place = placeOf({ topic, partition });
        const before = this.#owners.get(place);
        this.#owners.set(place, owner);
        if (before !== undefined && before !== owner) this.#onMoved(place, before);
      }
    }
  }
}
