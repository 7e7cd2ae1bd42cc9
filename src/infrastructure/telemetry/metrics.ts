import { collectDefaultMetrics, Registry } from 'prom-client';
import { createDeliveryMetrics, type DeliveryMetrics } from './delivery-metrics.ts';
import { createKafkaMetrics, type KafkaMetrics } from './kafka-metrics.ts';
import {
  type Count,
  type Distribution,
  type GaugeFamily,
  type HistogramFamily,
  type MetricDescription,
  MetricSet,
} from './metric-set.ts';

/** Every metric of one process. Names are `posthorn_<thing>_<unit>`; each label has few values, none from a customer. */
export interface Metrics {
  readonly registry: Registry;
  /** All of them, for the documentation. */
  readonly descriptions: readonly MetricDescription[];
  readonly delivery: DeliveryMetrics;
  readonly kafka: KafkaMetrics;
  /** Time to answer a request of the management API, by method, route and status; its count is the number of requests. */
  readonly apiRequests: HistogramFamily;
  /** Events that were matched, of one type. */
  eventsRouted(type: string): Count;
  readonly deliveriesCreated: Count;
  /** Records that became a dead letter, of one reason. */
  eventsRejected(reason: string): Count;
  registryLookUps(result: 'found' | 'unknown' | 'unusable' | 'failed'): Count;
  readonly recordsWritten: Count;
  readonly recorderWrites: Distribution;
  readonly dependencyUp: GaugeFamily;
  readonly cacheAge: GaugeFamily;
  readonly webhooks: GaugeFamily;
  readonly webhookSecrets: GaugeFamily;
}

const API_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];
const WRITE_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30];

/** Creates the metrics of this process, with those of Node and the operating system beside ours. */
export function createMetrics(version = 'unknown'): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const set = new MetricSet(registry);
  const build = { name: 'posthorn_build_info', help: 'Always 1; the version is a label', labels: ['version'] };
  set.gauge(build).from(() => [[[version], 1]]);
  const deadLetters = set.counter({
    name: 'posthorn_dead_letters_total',
    help: 'Dead letters, by what died (`event` or `delivery`) and why',
    labels: ['kind', 'reason'],
  });
  return {
    registry,
    descriptions: set.descriptions,
    delivery: createDeliveryMetrics(set, (reason) => deadLetters.of('delivery', reason)),
    kafka: createKafkaMetrics(set),
    eventsRejected: (reason) => deadLetters.of('event', reason),
    ...createRoutingMetrics(set),
    ...createDatabaseMetrics(set),
  };
}

function createRoutingMetrics(set: MetricSet) {
  const routed = set.counter({
    name: 'posthorn_events_routed_total',
    help: 'Events that were matched against the webhooks, by type',
    labels: ['type'],
  });
  const lookUps = set.counter({
    name: 'posthorn_registry_lookups_total',
    help: 'Schemas that were not in memory and asked of the registry, by what came of it',
    labels: ['result'],
  });
  const created = { name: 'posthorn_deliveries_created_total', help: 'Deliveries that the router made of events' };
  return {
    eventsRouted: (type: string) => routed.of(type),
    registryLookUps: (result: string) => lookUps.of(result),
    deliveriesCreated: set.counter(created).of(),
    apiRequests: set.histogram(
      {
        name: 'posthorn_api_request_seconds',
        help: 'Time to answer a request of the management API',
        labels: ['method', 'route', 'status'],
      },
      API_BUCKETS,
    ),
  };
}

function createDatabaseMetrics(set: MetricSet) {
  const written = { name: 'posthorn_recorder_records_total', help: 'Records that the recorder wrote to PostgreSQL' };
  const writes = { name: 'posthorn_recorder_write_seconds', help: 'Time of one batch of the recorder' };
  return {
    recordsWritten: set.counter(written).of(),
    recorderWrites: set.histogram(writes, WRITE_BUCKETS).of(),
    dependencyUp: set.gauge({
      name: 'posthorn_dependency_up',
      help: '1 when the dependency (`kafka`, `postgresql`, `registry`) answered when it was last asked, else 0',
      labels: ['dependency'],
    }),
    cacheAge: set.gauge({
      name: 'posthorn_cache_age_seconds',
      help: 'Time since the rows in memory (`webhooks`, `event_types`) were last compared with PostgreSQL',
      labels: ['cache'],
    }),
    webhooks: set.gauge({
      name: 'posthorn_webhooks',
      help: 'Webhooks in memory: `active`, `disabled` by hand, `gone` (410), `failing` (disabled for failing)',
      labels: ['state'],
    }),
    webhookSecrets: set.gauge({
      name: 'posthorn_webhook_secrets',
      help: 'Secrets of webhooks, by whether the key that encrypts them is the `current` one or an `older` one',
      labels: ['key'],
    }),
  };
}
