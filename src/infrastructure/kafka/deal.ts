/** Partitions that go to one member together. */
export interface Unit {
  readonly places: { readonly topic: string; readonly partition: number }[];
}

interface Candidate {
  readonly memberId: string;
  /** `topic/partition` of what it has had until now. */
  readonly owned: ReadonlySet<string>;
}

/**
 * Deals units out evenly (member counts differ by one at most) and moves as few as that allows. Unit i is at home with
 * candidate i modulo their number: who must give something up keeps what is at home with it, so a member that comes back
 * under its name gets its own again.
 */
export function deal(units: readonly Unit[], candidates: readonly Candidate[]): Map<Unit, string> {
  const table = new Table(units.length, candidates);
  const homes = new Map(units.map((unit, index) => [unit, candidates[index % candidates.length]]));
  const ownerOf = (unit: Unit) => candidates.find(({ owned }) => unit.places.some((place) => owned.has(nameOf(place))));
  const rounds: readonly ((unit: Unit) => Candidate | undefined)[] = [
    (unit) => (ownerOf(unit) === homes.get(unit) ? homes.get(unit) : undefined),
    ownerOf,
    (unit) => homes.get(unit),
    () => table.leastLoaded(),
  ];
  for (const choose of rounds) {
    for (const unit of units) if (!table.dealt.has(unit)) table.give(unit, choose(unit));
  }
  return table.dealt;
}

/** Who has how much, and may have more. */
class Table {
  readonly dealt = new Map<Unit, string>();
  private readonly loads: Map<Candidate, number>;
  private readonly share: number;
  /** How many members may have one more than the share. */
  private extras: number;

  constructor(units: number, candidates: readonly Candidate[]) {
    this.loads = new Map(candidates.map((candidate) => [candidate, 0]));
    this.share = Math.floor(units / candidates.length);
    this.extras = units % candidates.length;
  }

  /** Gives a unit to the candidate unless it has its share. */
  give(unit: Unit, candidate: Candidate | undefined): void {
    if (candidate === undefined) return;
    const load = this.loads.get(candidate) ?? 0;
    if (load > this.share || (load === this.share && this.extras === 0)) return;
    if (load === this.share) this.extras -= 1;
    this.loads.set(candidate, load + 1);
    this.dealt.set(unit, candidate.memberId);
  }

  leastLoaded(): Candidate | undefined {
    const [least] = [...this.loads].toSorted(([, a], [, b]) => a - b);
    return least?.[0];
  }
}

function nameOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}
