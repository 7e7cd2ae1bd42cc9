import type { Decision } from '../../domain/decision.ts';
import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import { failureClassOf } from '../../domain/failure-class.ts';
import { LANE_CLASSES, type LaneCensus } from '../../domain/lane-census.ts';
import type { AttemptOutcome } from '../../domain/outcome.ts';
import type { RetrySchedule } from '../../domain/retry-schedule.ts';
import type { SendResult } from '../../domain/send-result.ts';
import type { Count, GaugeFamily, MetricSet, Reading } from './metric-set.ts';

/** What the delivery engine holds at one moment. */
export interface DeliveryState {
  readonly young: number;
  readonly slow: number;
  readonly uncommitted: number;
  readonly queuedBytes: number;
  readonly census: LaneCensus;
  readonly connections: { readonly open: number; readonly idle: number };
}

/** A finished attempt, as far as metrics look at it. */
export interface MeasuredAttempt {
  readonly result: SendResult;
  readonly outcome: AttemptOutcome;
  readonly decision: Decision;
  readonly endedAtMs: number;
}

/** Measures attempts and what waits for one. */
export interface DeliveryMetrics {
  attempted(delivery: DeliveryRecord, attempt: MeasuredAttempt): void;
  /** A delivery left the memory without an attempt. */
  readonly setAside: (reason: string, target: 'overflow' | 'tier' | 'parked', count: number) => void;
  /** A delivery became a dead letter. */
  readonly died: (reason: string) => void;
  /** A record was dropped because what it asks for was done already. */
  repeated(): void;
  /** Reads the engine's state whenever metrics are asked for. */
  watch(read: () => DeliveryState, now: () => number): void;
  /** Names the tiers, so that an attempt can be told by the delay before it. */
  follow(schedule: RetrySchedule): void;
}

const ATTEMPT_BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30];
const ACCEPT_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1_800, 7_200, 43_200, 259_200,
];
const FIRST_ATTEMPT = 'first';

export function createDeliveryMetrics(set: MetricSet, died: (reason: string) => Count): DeliveryMetrics {
  const families = createFamilies(set);
  const gauges = createGauges(set);
  let tierNames: readonly string[] = [];
  const tierOf = (attempt: number) => (attempt === 1 ? FIRST_ATTEMPT : (tierNames[attempt - 2] ?? 'other'));
  const reused = { yes: families.connections.of('yes'), no: families.connections.of('no') };
  /** By number of the attempt: nearly everything ends here. */
  const succeeded: Count[] = [];

  const countOf = (outcome: AttemptOutcome, attempt: number) => {
    if (outcome.kind !== 'succeeded') {
      return families.attempts.of(outcome.kind, failureClassOf(outcome.code), tierOf(attempt));
    }
    return (succeeded[attempt] ??= families.attempts.of('succeeded', 'none', tierOf(attempt)));
  };

  return {
    attempted: (delivery, { result, outcome, decision, endedAtMs }) => {
      countOf(outcome, delivery.attempt).value += 1;
      families.durations[outcome.kind].observe(result.timings.totalUs / 1e6);
      if (result.kind === 'responded') reused[result.timings.connectUs === null ? 'yes' : 'no'].value += 1;
      else if (result.code === 'destination_not_allowed') families.refusals.of(result.detail).value += 1;
      if (decision.kind === 'retry') families.retries.of(decision.tier.name).value += 1;
      else if (decision.kind === 'dead') died(decision.reason).value += 1;
      else {
        const waited = delivery.attempt === 1 ? families.acceptedAtFirst : families.acceptedLater;
        waited.observe(Math.max(0, endedAtMs - delivery.created_at_ms) / 1000);
      }
    },
    setAside: (reason, target, count) => void (families.setAside.of(reason, target).value += count),
    died: (reason) => void (died(reason).value += 1),
    repeated: () => void (families.repeats.value += 1),
    watch: (read, now) => watch(gauges, read, now),
    follow: ({ delays }) => {
      tierNames = delays.map(({ name }) => name);
    },
  };
}

function createFamilies(set: MetricSet) {
  const attemptSeconds = set.histogram(
    { name: 'posthorn_attempt_seconds', help: 'Time of one attempt, by what it meant', labels: ['outcome'] },
    ATTEMPT_BUCKETS,
  );
  const accepted = set.histogram(
    {
      name: 'posthorn_event_to_accept_seconds',
      help: "From the event's arrival in Kafka to its acceptance by the receiver, by whether the first attempt did it",
      labels: ['attempt'],
    },
    ACCEPT_BUCKETS,
  );
  return {
    durations: {
      succeeded: attemptSeconds.of('succeeded'),
      failed: attemptSeconds.of('failed'),
      throttled: attemptSeconds.of('throttled'),
      gone: attemptSeconds.of('gone'),
    },
    acceptedAtFirst: accepted.of(FIRST_ATTEMPT),
    acceptedLater: accepted.of('retry'),
    attempts: set.counter({
      name: 'posthorn_attempts_total',
      help: 'Attempts by what they meant, the class of the failure, and the tier they came from (`first` for first ones)',
      labels: ['outcome', 'code_class', 'tier'],
    }),
    connections: set.counter({
      name: 'posthorn_answers_total',
      help: 'Answers of receivers, by whether the connection was one that was open already',
      labels: ['reused'],
    }),
    refusals: set.counter({
      name: 'posthorn_destinations_refused_total',
      help: 'Attempts that were not made because the address is not allowed, by the rule that refused it',
      labels: ['rule'],
    }),
    repeats: set
      .counter({
        name: 'posthorn_delivery_repeats_total',
        help: 'Records that were dropped because the delivery they ask for was settled already',
      })
      .of(),
    retries: set.counter({
      name: 'posthorn_retries_scheduled_total',
      help: 'Retries scheduled, by tier',
      labels: ['tier'],
    }),
    setAside: set.counter({
      name: 'posthorn_deliveries_set_aside_total',
      help: 'Deliveries that left the memory without an attempt, by why and to where',
      labels: ['reason', 'target'],
    }),
  };
}

type Gauges = ReturnType<typeof createGauges>;

function createGauges(set: MetricSet) {
  const gauge = (name: string, help: string, labels: readonly string[] = []): GaugeFamily =>
    set.gauge({ name, help, labels });
  return {
    young: gauge('posthorn_delivery_young_requests', 'Requests in flight that are younger than a second'),
    slow: gauge('posthorn_delivery_slow_requests', 'Requests in flight that are older than a second'),
    uncommitted: gauge('posthorn_delivery_uncommitted_records', 'Resolved records whose commit is not acknowledged'),
    queuedBytes: gauge('posthorn_delivery_queued_bytes', 'What the deliveries that wait in memory take up'),
    connections: gauge('posthorn_delivery_connections', 'Connections to receivers, by whether a request is on them', [
      'state',
    ]),
    lanes: gauge('posthorn_delivery_lanes', 'Webhooks that have a lane, by how they are doing', ['class']),
    queued: gauge('posthorn_delivery_queued_records', 'Deliveries that wait in lanes, by how the webhook is doing', [
      'class',
    ]),
    oldest: gauge(
      'posthorn_delivery_oldest_waiting_seconds',
      'Longest wait of a delivery in a lane, by how the webhook is doing',
      ['class'],
    ),
    breakers: gauge('posthorn_delivery_breakers', 'Breakers of webhooks that have a lane, by state', ['state']),
  };
}

/** The readings of one scrape come from one look at the lanes. */
const ONE_LOOK_MS = 250;

function watch(gauges: Gauges, read: () => DeliveryState, now: () => number): void {
  const state = rarely(read, now);
  gauges.young.from(() => [[[], state().young]]);
  gauges.slow.from(() => [[[], state().slow]]);
  gauges.uncommitted.from(() => [[[], state().uncommitted]]);
  gauges.queuedBytes.from(() => [[[], state().queuedBytes]]);
  gauges.connections.from(() => {
    const { open, idle } = state().connections;
    return [
      [['busy'], open - idle],
      [['idle'], idle],
    ];
  });
  const perClass = (valueOf: (count: LaneCensus['classes'][keyof LaneCensus['classes']]) => number) => () =>
    LANE_CLASSES.map((name): Reading => [[name], valueOf(state().census.classes[name])]);
  gauges.lanes.from(perClass((count) => count.lanes));
  gauges.queued.from(perClass((count) => count.queued));
  gauges.oldest.from(perClass(({ oldestMs }) => (oldestMs === null ? 0 : Math.max(0, now() - oldestMs) / 1000)));
  gauges.breakers.from(() => Object.entries(state().census.breakers).map(([name, count]): Reading => [[name], count]));
}

function rarely<T>(read: () => T, now: () => number): () => T {
  let last: { readonly atMs: number; readonly value: T } | null = null;
  return () => {
    const nowMs = now();
    if (last === null || Math.abs(nowMs - last.atMs) > ONE_LOOK_MS) last = { atMs: nowMs, value: read() };
    return last.value;
  };
}
