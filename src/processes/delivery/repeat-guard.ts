import type { AssignedPartition } from '../../domain/consumer-contract.ts';
import { type DeliveryStep, Repeats } from '../../domain/repeats.ts';
import type { Job } from './job.ts';

/** Settled deliveries remembered per partition number: some megabytes for all partitions together. */
const REMEMBERED = 5_000;

/**
 * Drops records that say nothing new, where that is certain. Partitions of one number hold all work of a webhook, over all
 * delivery topics, so they share one memory. A record that repeats what is running waits for its outcome.
 */
export class RepeatGuard {
  readonly #byNumber = new Map<number, Repeats>();
  readonly #followers = new Map<string, Job[]>();
  readonly #onDropped: () => void;

  constructor(onDropped: () => void) {
    this.#onDropped = onDropped;
  }

  /** True when the job is to be handled; else it was resolved, or will be with the one that it repeats. */
  admit(job: Job): boolean {
    const repeats = this.#memoryOf(job.partition);
    const step = stepOf(job);
    switch (repeats.judge(step)) {
      case 'fresh':
        repeats.begin(step);
        return true;
      case 'settled':
        this.#drop(job);
        return false;
      case 'running': {
        const followers = this.#followers.get(step.deliveryId) ?? [];
        this.#followers.set(step.deliveryId, [...followers, job]);
        return false;
      }
    }
  }

  /** The job has its outcome in the log. Returns those that waited for it, to be admitted anew: most repeat that step. */
  settled(job: Job, isAccepted: boolean): Job[] {
    const step = stepOf(job);
    this.#memoryOf(job.partition).settle(step, isAccepted);
    return this.#takeFollowers(step);
  }

  /** The job is no longer handled here, without an outcome. Returns those that waited for it, to be admitted anew. */
  abandoned(job: Job): Job[] {
    const step = stepOf(job);
    this.#memoryOf(job.partition).abandon(step);
    return this.#takeFollowers(step);
  }

  /** Frees the memory of a partition that somebody else has now. */
  forget({ partition }: AssignedPartition): void {
    this.#byNumber.delete(partition);
  }

  #drop({ partition, offset }: Job): void {
    partition.resolve(offset);
    this.#onDropped();
  }

  #memoryOf({ partition }: AssignedPartition): Repeats {
    const known = this.#byNumber.get(partition);
    if (known !== undefined) return known;
    const repeats = new Repeats(REMEMBERED);
    this.#byNumber.set(partition, repeats);
    return repeats;
  }

  #takeFollowers({ deliveryId }: DeliveryStep): Job[] {
    const followers = this.#followers.get(deliveryId);
    if (followers === undefined) return [];
    this.#followers.delete(deliveryId);
    return followers.filter(({ partition }) => partition.isActive);
  }
}

function stepOf({ delivery }: Job): DeliveryStep {
  return { deliveryId: delivery.delivery_id, attempt: delivery.attempt, rewrites: delivery.rewrites };
}
