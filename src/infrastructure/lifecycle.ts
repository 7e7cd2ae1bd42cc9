/**
 * A long-running part of the product. `start` resolves when it works and rejects (having cleaned up) when it cannot;
 * `stop` resolves when nothing of it runs any more. Both may be called twice and at once.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Stops the services in reverse order; all are stopped even when one fails, then the failures are thrown together. */
export async function stopAll(services: readonly Service[]): Promise<void> {
  const failures: unknown[] = [];
  for (const service of services.toReversed()) {
    try {
      await service.stop();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'some services did not stop cleanly');
}
