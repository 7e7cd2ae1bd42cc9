import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** Every metric of one process. Names are `posthorn_<thing>_<unit>`; each label has few values, none from a customer. */
export interface Metrics {
  readonly registry: Registry;
  /** Time to answer a request of the management API; its count is the number of requests. */
  readonly apiRequestSeconds: Histogram<'method' | 'route' | 'status'>;
}

/** Creates the metrics of this process, with those of Node and the operating system beside ours. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    apiRequestSeconds: new Histogram({
      name: 'posthorn_api_request_seconds',
      help: 'Time to answer a request of the management API.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15],
      registers: [registry],
    }),
  };
}
