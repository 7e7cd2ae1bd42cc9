import { createRequire } from 'node:module';

/** What a kafkajs connection has read and not yet understood. */
interface Connection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect: (this: Connection) => Promise<boolean>;
}

const LENGTH_PREFIX_BYTES = 4;
const connecting = new WeakMap<Connection, Promise<boolean>>();
let guarded = false;

/**
 * Two faults of kafkajs 2.2.4 around connections that break.
 *
 * It keeps half an answer when its connection breaks and puts the first bytes of the next connection behind it. From then
 * on it misreads every answer: requests time out for ever, or a length is read beyond the end of the buffer and the process
 * dies of a RangeError that nobody can catch. So a new connection begins with nothing read.
 *
 * And each request that finds its connection closed opens a new one, several at once, of which the last counts for writing
 * while any of them reads and, when it ends, closes the others. So all that wait share one attempt.
 */
export function guardConnection(): void {
  if (guarded) return;
  guarded = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/connection') as { prototype: Connection };
  const { connect } = prototype;
  prototype.connect = function connectOnce(this: Connection) {
    if (this.isConnected()) return connect.call(this);
    const running = connecting.get(this);
    if (running !== undefined) return running;
    this.chunks = [];
    this.bytesBuffered = 0;
    this.bytesNeeded = LENGTH_PREFIX_BYTES;
    const attempt = connect.call(this).finally(() => connecting.delete(this));
    connecting.set(this, attempt);
    return attempt;
  };
}
