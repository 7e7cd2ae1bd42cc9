import { createRequire } from 'node:module';

/** The two fields of a kafkajs request queue that the guard reads. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
}

let guarded = false;

/**
 * kafkajs 2.2.4 re-arms a timer of about 1 ms per connection for ever, even with nothing pending, which costs several
 * per cent of a core and prints a TimeoutNegativeWarning on Node 24 (tulios/kafkajs issues 1704 and 1751). A check is needed
 * only while requests wait or a broker throttles; everything else is sent at once.
 */
export function guardRequestQueue(): void {
  if (guarded) return;
  guarded = true;
  const require = createRequire(import.meta.url);
  const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  const { scheduleCheckPendingRequests: schedule } = prototype;
  prototype.scheduleCheckPendingRequests = function scheduleWhenNeeded(this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}
