import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collector: (() => void) | null = null;

/** Collects garbage now and tells what is left, in bytes; needs no flag on the command line. */
export function heapAfterCollection(): number {
  collector ??= exposeCollector();
  collector();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function exposeCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('this V8 has no collector to call');
  return () => void collect();
}
