import type { DeliveryRecord } from '../../domain/delivery-record.ts';
import type { Event } from '../../domain/event.ts';
import type { AttemptOutcome } from '../../domain/outcome.ts';
import type { Service } from '../lifecycle.ts';

/** Which traces that begin here are kept; a producer's decision about its own trace always holds unless `always`. */
export interface TraceSampling {
  readonly of: 'all' | 'ratio' | 'none';
  /** 0 to 1, for `ratio`. */
  readonly ratio: number;
  /** Whether the decision that came with the event counts. */
  readonly followsParent: boolean;
}

/** Where something was read from. */
export interface TracedSource {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly group: string;
}

/** An event that is being routed. */
export interface RouteSpan {
  /** What its deliveries carry on: the producer's context, or this span's when there was none. */
  readonly traceparent: string | null;
  /** All of its deliveries are in the log. */
  end(deliveries: number): void;
}

/** A finished attempt, as far as a trace tells of it. */
export interface TracedAttempt {
  readonly delivery: DeliveryRecord;
  readonly source: TracedSource;
  readonly url: string;
  readonly outcome: AttemptOutcome;
  readonly next: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** Makes spans; there is none of this while tracing is off, so that it costs nothing. */
export interface Tracing extends Service {
  route(event: Event, source: TracedSource): RouteSpan;
  /** One span, made when the attempt is over. */
  attempted(attempt: TracedAttempt): void;
}
