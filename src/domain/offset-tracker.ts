/**
 * Which records of one partition are resolved.
 *
 * Records arrive in offset order and are resolved in any order. The watermark is the lowest open offset: everything
 * before it is resolved, so it is what may be committed. Offsets that never arrive count as resolved, because
 * compaction, transaction markers and control batches leave gaps.
 *
 * States live in a ring of bytes indexed by offset, so that receiving and resolving cost no allocation.
 */
const RESOLVED = 0;
const OPEN = 1;

export class OffsetTracker {
  #states: Uint8Array;
  #lowest: number;
  #nextOffset: number;
  #openCount = 0;
  #changeCount = 0;
  #restoredThrough: number;
  #restored: ReadonlySet<number>;

  /**
   * @param start first offset not known to be resolved: the committed offset.
   * @param completed offsets beyond `start` that an earlier owner resolved out of order; they are skipped when they arrive.
   */
  constructor(start: number, completed: ReadonlySet<number> = new Set()) {
    this.#states = new Uint8Array(1024);
    this.#lowest = start;
    this.#nextOffset = start;
    this.#restored = completed;
    this.#restoredThrough = start - 1;
    for (const offset of completed) this.#restoredThrough = Math.max(this.#restoredThrough, offset);
  }

  /** The lowest open offset, or the next one to arrive when none is open. */
  get watermark(): number {
    return this.#lowest;
  }

  /** The offset after the newest one that arrived: where reading goes on. */
  get next(): number {
    return this.#nextOffset;
  }

  /** How many records have arrived and are not resolved. */
  get open(): number {
    return this.#openCount;
  }

  /** Distance from the watermark to the newest arrival: what a completion map has to describe. */
  get span(): number {
    return this.#nextOffset - this.#lowest;
  }

  /** How many records were resolved and not covered by an acknowledged commit. */
  get changes(): number {
    return this.#changeCount;
  }

  /** Takes `count` changes off: their commit was acknowledged. */
  changesCommitted(count: number): void {
    this.#changeCount = Math.max(0, this.#changeCount - count);
  }

  /**
   * Notes the arrival of a record. False when it need not be handled: it arrived before, or an earlier owner resolved it.
   */
  receive(offset: number): boolean {
    if (offset < this.#nextOffset) return false;
    this.#reserve(offset + 1 - this.#lowest);
    this.#nextOffset = offset + 1;
    if (this.#wasRestored(offset)) {
      this.#advance();
      return false;
    }
    this.#states[offset & (this.#states.length - 1)] = OPEN;
    this.#openCount += 1;
    this.#advance();
    return true;
  }

  /** Notes that everything before `offset` has been read, although some of it (control records) never arrived. */
  skipTo(offset: number): void {
    if (offset <= this.#nextOffset) return;
    this.#reserve(offset - this.#lowest);
    this.#nextOffset = offset;
    this.#advance();
  }

  /** Marks one record as resolved; unknown and already resolved offsets are ignored. */
  resolve(offset: number): void {
    if (!this.isOpen(offset)) return;
    this.#states[offset & (this.#states.length - 1)] = RESOLVED;
    this.#openCount -= 1;
    this.#changeCount += 1;
    if (offset === this.#lowest) this.#advance();
  }

  /** Marks every record up to and including `offset` as resolved. */
  resolveThrough(offset: number): void {
    const end = Math.min(offset + 1, this.#nextOffset);
    for (let current = this.#lowest; current < end; current++) {
      if (this.isOpen(current)) this.resolve(current);
    }
  }

  isOpen(offset: number): boolean {
    return (
      offset >= this.#lowest && offset < this.#nextOffset && this.#states[offset & (this.#states.length - 1)] === OPEN
    );
  }

  /** Whether the record is known to be resolved, by us or by an earlier owner; false for what never arrived. */
  isResolved(offset: number): boolean {
    return (offset < this.#nextOffset && !this.isOpen(offset)) || this.#wasRestored(offset);
  }

  #wasRestored(offset: number): boolean {
    return offset <= this.#restoredThrough && this.#restored.has(offset);
  }

  #advance(): void {
    const mask = this.#states.length - 1;
    while (this.#lowest < this.#nextOffset && this.#states[this.#lowest & mask] === RESOLVED) this.#lowest += 1;
  }

  /** Grows the ring so that `span` offsets fit; entries outside the window are RESOLVED by construction. */
  #reserve(span: number): void {
    if (span <= this.#states.length) return;
    let size = this.#states.length;
    while (size < span) size *= 2;
    const grown = new Uint8Array(size);
    for (let offset = this.#lowest; offset < this.#nextOffset; offset++) {
      grown[offset & (size - 1)] = this.#states[offset & (this.#states.length - 1)] ?? RESOLVED;
    }
    this.#states = grown;
  }
}
