import type { AssignedPartition } from '../domain/consumer-contract.ts';

/** Runs the work of each partition one after the other, different partitions side by side. */
export class PartitionChains {
  readonly #tails = new Map<AssignedPartition, Promise<void>>();

  /** Adds work behind what the partition already has; work of a lost partition is skipped. It must not reject. */
  add(partition: AssignedPartition, work: () => Promise<void>): void {
    const before = this.#tails.get(partition) ?? Promise.resolve();
    const tail = before.then(() => (partition.isActive ? work() : undefined));
    this.#tails.set(partition, tail);
    void tail.finally(() => {
      if (this.#tails.get(partition) === tail) this.#tails.delete(partition);
    });
  }

  /** Resolves when no partition has work left. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}
