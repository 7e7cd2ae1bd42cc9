import { encodeCompletions } from '../../domain/completion-map.ts';
import type { AssignedPartition } from '../../domain/consumer-contract.ts';
import { OffsetTracker } from '../../domain/offset-tracker.ts';
import { ReadMarks } from './read-marks.ts';

/** What a partition's state asks of the consumer that owns it. */
export interface PartitionControl {
  pauseFetch(): void;
  resumeFetch(): void;
  seekFetch(offset: number): void;
  /** Something was resolved; a commit may be due. */
  resolved(): void;
}

/** Whether a partition is read, or why it is not. */
export type FetchState = 'reading' | 'full' | 'held' | 'positioning';

/** One commit that was built and not yet acknowledged. */
export interface CommitDraft {
  readonly state: PartitionState;
  readonly offset: number;
  readonly metadata: string;
  readonly changes: number;
}

/**
 * One assigned partition. Fetching is paused for three reasons, any of which suffices: its position is not known yet
 * (after every join), its window is full, or the handler asked for it.
 */
export class PartitionState implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  isActive = true;
  readonly #control: PartitionControl;
  readonly #windowRecords: number;
  readonly #marks = new ReadMarks();
  #tracker: OffsetTracker;
  #isPositioned = false;
  #hasBegun = false;
  #isFull = false;
  #isHeld = false;
  #isFetching = false;
  /** Offsets that a read-back of our own commit may show. */
  #committedOffset = -1;
  #sentOffset = -1;
  /** Batches in a row that were read from another position than ours. */
  #strayBatches = 0;

  constructor(identity: { topic: string; partition: number }, windowRecords: number, control: PartitionControl) {
    this.topic = identity.topic;
    this.partition = identity.partition;
    this.#windowRecords = windowRecords;
    this.#control = control;
    this.#tracker = new OffsetTracker(0);
  }

  /** Whether it was ever read under this state. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get ready(): boolean {
    return this.isActive && this.#isPositioned;
  }

  /** Whether we want records of it now. */
  get isFetching(): boolean {
    return this.ready && this.#isFetching;
  }

  get fetchState(): FetchState {
    if (!this.#isPositioned) return 'positioning';
    if (this.#isHeld) return 'held';
    return this.#isFull ? 'full' : 'reading';
  }

  /** When the oldest record that was read and is not resolved came to Kafka, epoch milliseconds; null when there is none. */
  get oldestOpenMs(): number | null {
    return this.watermark < this.position ? this.#marks.timeAt(this.watermark) : null;
  }

  get open(): number {
    return this.#tracker.open;
  }

  get uncommitted(): number {
    return this.#tracker.changes;
  }

  get position(): number {
    return this.#tracker.next;
  }

  get watermark(): number {
    return this.#tracker.watermark;
  }

  /**
   * Whether what was read back from the broker is a commit of ours, so that nobody else worked here meanwhile. The offset
   * alone does not tell: another owner may have completed records beyond one that it left open.
   */
  ownsCommit(offset: number, completed: ReadonlySet<number>): boolean {
    if (offset !== this.#committedOffset && offset !== this.#sentOffset) return false;
    for (const each of completed) if (!this.#tracker.isResolved(each)) return false;
    return true;
  }

  /** Every join makes the client forget its positions: nothing is handed over until `begin` or `goOn`. */
  losePosition(): void {
    this.#isPositioned = false;
    this.#applyPause();
  }

  /** Starts reading at `offset`, skipping what an earlier owner completed beyond it. */
  begin(offset: number, completed: ReadonlySet<number>): void {
    this.#hasBegun = true;
    this.#tracker = new OffsetTracker(offset, completed);
    this.#marks.clear();
    this.#committedOffset = offset;
    this.#sentOffset = offset;
    this.goOn();
  }

  /** Goes on after a rejoin where reading had stopped. */
  goOn(): void {
    this.#isPositioned = true;
    this.#control.seekFetch(this.#tracker.next);
    this.#isFull = this.#tracker.span >= this.#windowRecords;
    this.#applyPause();
  }

  /** Notes what one fetch read; returns which of the offsets are new. */
  receive(offsets: readonly number[], lastOffset: number): boolean[] {
    this.#strayBatches = 0;
    const fresh = offsets.map((offset) => this.#tracker.receive(offset));
    this.#tracker.skipTo(lastOffset + 1);
    if (this.#tracker.span >= this.#windowRecords) this.#setFull(true);
    return fresh;
  }

  /** Notes when what is about to be received came to Kafka. */
  noteTimes(records: readonly { readonly offset: string; readonly timestamp: string }[]): void {
    this.#marks.dropBefore(this.watermark);
    this.#marks.note(records);
  }

  /** A batch came from another position: reads again from ours. Returns how often that happened in a row. */
  rejectStray(): number {
    this.#strayBatches += 1;
    this.#control.seekFetch(this.#tracker.next);
    return this.#strayBatches;
  }

  deactivate(): void {
    this.isActive = false;
  }

  resolve(offset: number): void {
    if (!this.isActive) return;
    this.#tracker.resolve(offset);
    this.#afterResolve();
  }

  resolveThrough(offset: number): void {
    if (!this.isActive) return;
    this.#tracker.resolveThrough(offset);
    this.#afterResolve();
  }

  pause(): void {
    this.#isHeld = true;
    this.#applyPause();
  }

  resume(): void {
    this.#isHeld = false;
    this.#applyPause();
  }

  seek(offset: number): void {
    if (!this.isActive) return;
    this.#tracker = new OffsetTracker(offset);
    this.#marks.clear();
    this.#isFull = false;
    this.#control.seekFetch(offset);
    this.#applyPause();
  }

  /** What is to be committed now; null when the broker already knows it. */
  draftCommit(): CommitDraft | null {
    if (!this.ready) return null;
    const offset = this.#tracker.watermark;
    if (this.#tracker.changes === 0 && offset === this.#committedOffset) return null;
    const metadata = encodeCompletions({
      watermark: offset,
      next: this.#tracker.next,
      isOpen: (candidate) => this.#tracker.isOpen(candidate),
    });
    this.#sentOffset = offset;
    return { state: this, offset, metadata, changes: this.#tracker.changes };
  }

  committed(draft: CommitDraft): void {
    this.#committedOffset = draft.offset;
    this.#tracker.changesCommitted(draft.changes);
  }

  #afterResolve(): void {
    if (this.#isFull && this.#tracker.span <= this.#windowRecords / 2) this.#setFull(false);
    this.#control.resolved();
  }

  #setFull(full: boolean): void {
    this.#isFull = full;
    this.#applyPause();
  }

  #applyPause(): void {
    if (!this.isActive) return;
    const fetching = this.#isPositioned && !this.#isFull && !this.#isHeld;
    if (!this.#isPositioned) this.#isFetching = false;
    if (fetching === this.#isFetching && this.#isPositioned) return;
    this.#isFetching = fetching;
    if (fetching) this.#control.resumeFetch();
    else this.#control.pauseFetch();
  }
}
