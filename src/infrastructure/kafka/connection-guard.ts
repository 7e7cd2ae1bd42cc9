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
let guarded = false;

/**
 * kafkajs 2.2.4 keeps half an answer when its connection breaks and puts the first bytes of the next connection behind it.
 * From then on it misreads every answer: requests time out for ever, or a length is read beyond the end of the buffer and
 * the process dies of a RangeError that nobody can catch. A new connection begins with nothing read.
 */
export function guardConnection(): void {
  if (guarded) return;
  guarded = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/connection') as { prototype: Connection };
  const { connect } = prototype;
  prototype.connect = function connectAfresh(this: Connection) {
    if (!this.isConnected()) {
      this.chunks = [];
      this.bytesBuffered = 0;
      this.bytesNeeded = LENGTH_PREFIX_BYTES;
    }
    return connect.call(this);
  };
}
