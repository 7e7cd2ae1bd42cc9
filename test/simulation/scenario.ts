import { Random } from './random.ts';

/** What a receiver does with one request. `lost`: it accepts, and the answer does not arrive. */
export type Behaviour = 'accept' | 'fail' | 'hang' | 'slow' | 'throttle' | 'gone' | 'lost';

/** A receiver's behaviour until a time; chance picks one of the list per request. */
export interface Phase {
  readonly untilMs: number;
  readonly behaviours: readonly Behaviour[];
}

export interface ScenarioWebhook {
  readonly id: string;
  readonly tenantId: string;
  readonly eventType: string;
  /** The last phase goes on for ever. */
  readonly phases: readonly Phase[];
  readonly retryAfterSeconds: number;
}

/** One record of a producer. `poison`: cannot become an event. `marker`: a control record. `hole`: compacted away. */
export interface ScenarioEvent {
  readonly atMs: number;
  readonly id: string;
  readonly tenantId: string;
  readonly type: string;
  readonly partition: number;
  readonly kind: 'event' | 'poison' | 'marker' | 'hole';
}

export type Role = 'router' | 'delivery' | 'retry';

/** A moment in the work of a process: the n-th time that it comes to this side effect. */
export type Step =
  | 'fetched'
  | 'sending'
  | 'answered'
  | 'publishing'
  | 'written'
  | 'published'
  | 'committing'
  | 'committed';

interface Target {
  readonly role: Role;
  readonly index: number;
}

export type Fault =
  /** SIGKILL, at a time or at a step. */
  | (Target & {
      readonly kind: 'kill';
      readonly atMs: number;
      readonly step: Step | null;
      readonly nth: number;
      readonly downMs: number;
    })
  /** SIGTERM. */
  | (Target & { readonly kind: 'stop'; readonly atMs: number; readonly downMs: number })
  /** SIGSTOP and SIGCONT. */
  | (Target & { readonly kind: 'freeze'; readonly atMs: number; readonly forMs: number })
  /** The client rejoins its group, as it does when a leader moves. */
  | (Target & { readonly kind: 'rejoin'; readonly atMs: number })
  /** The client crashes, and says whether it starts again by itself. */
  | (Target & { readonly kind: 'crash'; readonly atMs: number; readonly restarts: boolean })
  | { readonly kind: 'publish'; readonly atMs: number; readonly forMs: number; readonly mode: PublishFault }
  | { readonly kind: 'commit'; readonly atMs: number; readonly forMs: number; readonly mode: 'refused' | 'unanswered' }
  | { readonly kind: 'admin' | 'registry' | 'database'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'webhook'; readonly atMs: number; readonly webhookId: string; readonly change: WebhookChange }
  /** The producer sends an event again. */
  | { readonly kind: 'resend'; readonly atMs: number; readonly eventId: string }
  /** Something that is no delivery gets into a topic of ours. */
  | { readonly kind: 'garbage'; readonly atMs: number };

/**
 * `refused`: nothing is written. `unanswered`: all is written, the answer is lost. `partial`: some partitions are
 * written, and the call fails. `silent`: some are not written, and the call succeeds without naming them. `slow`.
 */
export type PublishFault = 'refused' | 'unanswered' | 'partial' | 'silent' | 'slow';
export type WebhookChange = 'disable' | 'enable' | 'delete' | 'touch';

export interface Scenario {
  readonly seed: number;
  readonly partitions: { readonly events: number; readonly deliveries: number; readonly retry: number };
  readonly processes: Readonly<Record<Role, number>>;
  readonly delays: readonly string[];
  readonly jitter: number;
  readonly limits: {
    readonly youngRequests: number;
    readonly slowRequests: number;
    readonly requestsPerWebhook: number;
    readonly maxUncommitted: number;
    readonly maxQueuedBytes: number;
    readonly crowdedAt: number;
    readonly windowRecords: number;
    readonly timeoutMs: number;
  };
  /** Longest time of one way to a broker, milliseconds. */
  readonly brokerMs: number;
  readonly webhooks: readonly ScenarioWebhook[];
  readonly events: readonly ScenarioEvent[];
  readonly faults: readonly Fault[];
}

const TYPES = ['order.placed', 'order.paid'];
const TENANTS = ['acme', 'globex'];
/** Short ones to have many retries, a long one each so that pauses of minutes are not waited for in seconds. */
const DELAYS = [
  ['1s', '1m'],
  ['2s', '5s', '5m'],
  ['5s', '5s', '30s', '2h'],
  ['1s', '45s', '1d'],
  ['3s', '3s', '3s', '10m'],
];
/** Producers and faults are done after this time; then everything must come to rest. */
const BUSY_MS = 12_000;

/** The scenario of a seed. */
export function createScenario(seed: number): Scenario {
  const random = new Random(seed);
  const partitions = { events: random.between(1, 2), deliveries: random.between(1, 3), retry: random.between(1, 2) };
  const processes = { router: random.between(1, 2), delivery: random.between(1, 3), retry: random.between(1, 2) };
  // Most scenarios are small, some have a crowd; for a crowd every receiver gets well again, or it would take for ever.
  const isCrowd = random.chance(0.04);
  const webhooks = random.times(random.between(1, 4), (index) => webhook(index, isCrowd, random));
  const eventCount = isCrowd ? random.between(30, 70) : random.between(1, 8);
  const events = random.times(eventCount, (index) => event(index, partitions.events, random));
  const mood = random.next();
  const all = { processes, webhooks, events };
  const faults = () => {
    if (mood < 0.1) return [];
    if (mood < 0.2) return random.times(random.between(2, 5), () => gentleFault(random, all));
    return random.times(random.between(1, 5), () => fault(random, all));
  };
  return {
    seed,
    partitions,
    processes,
    delays: random.pick(DELAYS),
    jitter: random.pick([0, 0.1, 0.3]),
    limits: {
      youngRequests: random.pick([1, 2, 4, 16]),
      slowRequests: random.pick([1, 2, 8]),
      requestsPerWebhook: random.pick([1, 2, 4, 10]),
      maxUncommitted: random.pick([1, 2, 5, 20]),
      maxQueuedBytes: random.pick([1_500, 6_000, 1_000_000]),
      crowdedAt: random.pick([2, 10, 5_000]),
      windowRecords: random.pick([2, 4, 16, 10_000]),
      timeoutMs: random.pick([500, 3_000, 8_000]),
    },
    brokerMs: random.pick([2, 20, 100]),
    webhooks,
    events: events.toSorted((a, b) => a.atMs - b.atMs),
    faults: faults(),
  };
}

function webhook(index: number, getsWell: boolean, random: Random): ScenarioWebhook {
  return {
    id: `webhook-${index}`,
    tenantId: random.pick(TENANTS),
    eventType: random.pick([...TYPES, 'all']),
    phases: phases(getsWell, random),
    retryAfterSeconds: random.pick([0, 1, 7, 40, 90]),
  };
}

function phases(getsWell: boolean, random: Random): Phase[] {
  const good: Phase = { untilMs: Number.POSITIVE_INFINITY, behaviours: ['accept'] };
  const bad: Behaviour[][] = [
    ['fail'],
    ['hang'],
    ['throttle'],
    ['lost'],
    ['slow'],
    ['accept', 'fail', 'throttle', 'lost', 'hang', 'slow'],
    ['accept', 'accept', 'accept', 'gone'],
  ];
  const kind = random.next();
  if (kind < 0.35) return [good];
  if (getsWell || kind < 0.92) return [{ untilMs: random.between(1_000, 30_000), behaviours: random.pick(bad) }, good];
  return [{ untilMs: Number.POSITIVE_INFINITY, behaviours: random.pick(bad) }];
}

function event(index: number, partitions: number, random: Random): ScenarioEvent {
  const kind = random.next();
  return {
    atMs: random.chance(0.5) ? random.between(0, 200) : random.between(0, BUSY_MS),
    id: `event-${index}`,
    tenantId: random.pick(TENANTS),
    type: random.pick([...TYPES, 'order.lost']),
    partition: random.between(0, partitions - 1),
    kind: kind < 0.9 ? 'event' : random.pick(['poison', 'marker', 'hole']),
  };
}

/** Something that breaks nothing; close together, as when a whole deployment restarts. */
function gentleFault(random: Random, { processes }: Pick<Scenario, 'processes'>): Fault {
  const role = random.pick<Role>(['router', 'delivery', 'delivery', 'retry']);
  const target = { role, index: random.between(0, processes[role] - 1), atMs: random.between(300, 2_500) };
  return random.chance(0.3)
    ? { ...target, kind: 'rejoin' }
    : { ...target, kind: 'stop', downMs: random.between(10, 3_000) };
}

const STEPS: Step[] = [
  'fetched',
  'sending',
  'answered',
  'publishing',
  'written',
  'published',
  'committing',
  'committed',
];

function fault(
  random: Random,
  { processes, webhooks, events }: Pick<Scenario, 'processes' | 'webhooks' | 'events'>,
): Fault {
  const atMs = random.between(0, BUSY_MS);
  const role = random.pick<Role>(['router', 'delivery', 'delivery', 'retry']);
  const target = { role, index: random.between(0, processes[role] - 1) };
  const forMs = random.pick([50, 1_000, 5_000, 20_000]);
  const kind = random.next();
  if (kind < 0.3) {
    const step = random.chance(0.7) ? random.pick(STEPS) : null;
    return { ...target, kind: 'kill', atMs, step, nth: random.between(1, 12), downMs: random.between(10, 12_000) };
  }
  if (kind < 0.36) return { ...target, kind: 'stop', atMs, downMs: random.between(10, 12_000) };
  if (kind < 0.44) return { ...target, kind: 'freeze', atMs, forMs: random.pick([300, 4_000, 9_000, 25_000]) };
  if (kind < 0.5) return { ...target, kind: 'rejoin', atMs };
  if (kind < 0.55) return { ...target, kind: 'crash', atMs, restarts: random.chance(0.5) };
  if (kind < 0.7) {
    const mode = random.pick<PublishFault>(['refused', 'unanswered', 'partial', 'silent', 'slow']);
    return { kind: 'publish', atMs, forMs, mode };
  }
  if (kind < 0.78) return { kind: 'commit', atMs, forMs, mode: random.pick(['refused', 'unanswered']) };
  if (kind < 0.86) return { kind: random.pick(['admin', 'registry', 'database']), atMs, forMs };
  if (kind < 0.94) {
    const change = random.pick<WebhookChange>(['disable', 'enable', 'delete', 'touch']);
    return { kind: 'webhook', atMs, webhookId: random.pick(webhooks).id, change };
  }
  return random.chance(0.8) ? { kind: 'resend', atMs, eventId: random.pick(events).id } : { kind: 'garbage', atMs };
}
