import type { Count, GaugeFamily, MetricSet } from './metric-set.ts';

/** Told of what happens to a consumer that its handler does not see. */
export interface ConsumerObserver {
  /** The group has dealt its partitions anew. */
  joined(durationMs: number): void;
  /** The client gave up, and begins anew. */
  crashed(): void;
  /** The broker did not take a commit; the next one says the same again. */
  commitRefused(): void;
}

/** Measures what is between Kafka and us. */
export interface KafkaMetrics {
  /** `role` names the group: bounded, whatever the prefix. */
  consumer(role: string): ConsumerObserver;
  readonly publishRepaired: Count;
  readonly publishRetried: Count;
  readonly lag: GaugeFamily;
  readonly oldestWaiting: GaugeFamily;
  readonly partitions: GaugeFamily;
  readonly retryWaiting: GaugeFamily;
  readonly retryOverdue: GaugeFamily;
}

const REBALANCE_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createKafkaMetrics(set: MetricSet): KafkaMetrics {
  const rebalances = set.counter({
    name: 'posthorn_rebalances_total',
    help: 'Times that the partitions of a group were dealt, its first time included',
    labels: ['group'],
  });
  const rebalanceSeconds = set.histogram(
    { name: 'posthorn_rebalance_seconds', help: 'Time of joining a group', labels: ['group'] },
    REBALANCE_BUCKETS,
  );
  const crashes = set.counter({
    name: 'posthorn_consumer_crashes_total',
    help: 'Times that the Kafka client of a group gave up and was started anew',
    labels: ['group'],
  });
  const refusals = set.counter({
    name: 'posthorn_commits_refused_total',
    help: 'Commits that the broker did not take; the next commit says the same again',
    labels: ['group'],
  });
  return {
    ...createPublishCounters(set),
    ...createGauges(set),
    consumer: (role) => {
      const [joins, seconds, crashed, refused] = [
        rebalances.of(role),
        rebalanceSeconds.of(role),
        crashes.of(role),
        refusals.of(role),
      ];
      return {
        joined: (durationMs) => {
          joins.value += 1;
          seconds.observe(durationMs / 1000);
        },
        crashed: () => void (crashed.value += 1),
        commitRefused: () => void (refused.value += 1),
      };
    },
  };
}

function createPublishCounters(set: MetricSet) {
  return {
    publishRepaired: set
      .counter({
        name: 'posthorn_publish_repaired_total',
        help: 'Records that the Kafka client reported as written although they were not, and that were sent again',
      })
      .of(),
    publishRetried: set
      .counter({
        name: 'posthorn_publish_retried_total',
        help: 'Requests to write records that failed and were made again',
      })
      .of(),
  };
}

function createGauges(set: MetricSet) {
  return {
    lag: set.gauge({
      name: 'posthorn_consumer_lag_records',
      help: 'Records of the own partitions that are not resolved; without the retry tiers, where waiting is meant',
      labels: ['group', 'topic'],
    }),
    oldestWaiting: set.gauge({
      name: 'posthorn_consumer_oldest_waiting_seconds',
      help: 'Age of the oldest record that is not resolved, by its time in Kafka; without the retry tiers',
      labels: ['group', 'topic'],
    }),
    partitions: set.gauge({
      name: 'posthorn_consumer_partitions',
      help: 'Own partitions: `reading`, paused because the window is `full`, `held` by back-pressure or a due time, or `positioning` after a join',
      labels: ['group', 'state'],
    }),
    retryWaiting: set.gauge({
      name: 'posthorn_retry_waiting_records',
      help: 'Deliveries that wait in a retry tier',
      labels: ['tier'],
    }),
    retryOverdue: set.gauge({
      name: 'posthorn_retry_overdue_seconds',
      help: 'How long the next delivery of a tier has been due; 0 when it is not due yet',
      labels: ['tier'],
    }),
  };
}
