/** The person at the terminal, or whoever runs us, asking us to end. */
export interface StopSignals {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Resolves at the same moment. */
  readonly requested: Promise<void>;
  dispose(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const EXIT_AT_ONCE = 130;

/** Listens for requests to end. The second one ends the process at once with exit code 130. */
export function listenForStop(): StopSignals {
  const controller = new AbortController();
  const requested = Promise.withResolvers<void>();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_AT_ONCE);
    controller.abort(new Error('a signal asked to stop'));
    requested.resolve();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  const dispose = () => {
    for (const name of SIGNALS) process.off(name, onSignal);
  };
  return { signal: controller.signal, requested: requested.promise, dispose };
}
