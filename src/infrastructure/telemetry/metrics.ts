import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the delivery engine holds at one moment. */
export interface DeliveryState {
  readonly young: number;
  readonly slow: number;
  readonly queued: number;
  readonly lanes: number;
  readonly uncommitted: number;
}

/** Every metric of one process. Names are `posthorn_<thing>_<unit>`; each label has few values, none from a customer. */
export interface Metrics {
  readonly registry: Registry;
  /** Time to answer a request of the management API; its count is the number of requests. */
  readonly apiRequestSeconds: Histogram<'method' | 'route' | 'status'>;
  readonly eventsRoutedTotal: Counter;
  readonly eventsRejectedTotal: Counter;
  readonly deliveriesCreatedTotal: Counter;
  /** Time of one attempt; its count by outcome is the number of attempts. */
  readonly attemptSeconds: Histogram<'outcome'>;
  readonly recordsWrittenTotal: Counter;
  readonly recorderWriteSeconds: Histogram;
  readonly publishRepairedTotal: Counter;
  readonly repeatsDroppedTotal: Counter;
  /** Reads the engine's state whenever metrics are asked for. */
  watchDelivery(read: () => DeliveryState): void;
}

const API_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const ATTEMPT_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30];

/** Creates the metrics of this process, with those of Node and the operating system beside ours. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  return {
    registry,
    apiRequestSeconds: new Histogram({
      name: 'posthorn_api_request_seconds',
      help: 'Time to answer a request of the management API.',
      labelNames: ['method', 'route', 'status'],
      buckets: API_BUCKETS,
      registers: [registry],
    }),
    eventsRoutedTotal: counter('posthorn_events_routed_total', 'Records read from the input topics.'),
    eventsRejectedTotal: counter(
      'posthorn_events_rejected_total',
      'Records that went to the dead-letter topic of events.',
    ),
    deliveriesCreatedTotal: counter('posthorn_deliveries_created_total', 'Deliveries that the router made of events.'),
    attemptSeconds: new Histogram({
      name: 'posthorn_attempt_seconds',
      help: 'Time of one attempt, by what it meant.',
      labelNames: ['outcome'],
      buckets: ATTEMPT_BUCKETS,
      registers: [registry],
    }),
    recordsWrittenTotal: counter('posthorn_recorder_records_total', 'Records that the recorder wrote to PostgreSQL.'),
    recorderWriteSeconds: new Histogram({
      name: 'posthorn_recorder_write_seconds',
      help: 'Time of one batch of the recorder.',
      buckets: ATTEMPT_BUCKETS,
      registers: [registry],
    }),
    publishRepairedTotal: counter(
      'posthorn_publish_repaired_total',
      'Records that the Kafka client reported as written although they were not, and that were sent again.',
    ),
    repeatsDroppedTotal: counter(
      'posthorn_delivery_repeats_total',
      'Records that were dropped because the delivery they ask for was settled already.',
    ),
    watchDelivery: (read) => watchDelivery(registry, read),
  };
}

const DELIVERY_GAUGES: readonly [keyof DeliveryState, string, string][] = [
  ['young', 'posthorn_delivery_young_requests', 'Requests in flight that are younger than a second.'],
  ['slow', 'posthorn_delivery_slow_requests', 'Requests in flight that are older than a second.'],
  ['queued', 'posthorn_delivery_queued_records', 'Deliveries that wait in lanes.'],
  ['lanes', 'posthorn_delivery_lanes', 'Webhooks that have a lane.'],
  ['uncommitted', 'posthorn_delivery_uncommitted_records', 'Resolved records whose commit is not acknowledged.'],
];

function watchDelivery(registry: Registry, read: () => DeliveryState): void {
  for (const [key, name, help] of DELIVERY_GAUGES) {
    const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()[key]) });
  }
}
