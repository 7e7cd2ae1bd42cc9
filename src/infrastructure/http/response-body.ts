/** How much of an answer's body is kept. */
const MAX_BODY_BYTES = 16_384;

const EMPTY = Buffer.alloc(0);

/** The beginning of an answer's body, as raw bytes: never decompressed, never decoded. */
export class ResponseBody {
  #chunks: Buffer[] | null = null;
  #length = 0;
  #isCut = false;

  /** False when there is no room for more: the rest is not worth reading. */
  add(chunk: Buffer): boolean {
    const room = MAX_BODY_BYTES - this.#length;
    this.#isCut = chunk.length > room;
    this.#chunks ??= [];
    this.#chunks.push(this.#isCut ? chunk.subarray(0, room) : chunk);
    this.#length += Math.min(chunk.length, room);
    return !this.#isCut;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** A copy, because the chunks are views into the socket's much larger read buffers. */
  read(): Buffer {
    return this.#chunks === null ? EMPTY : Buffer.concat(this.#chunks);
  }
}
