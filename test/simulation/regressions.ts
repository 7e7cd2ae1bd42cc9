import type { Scenario } from './scenario.ts';

/** Small scenarios that once broke a rule, each with its lesson. */
export const REGRESSIONS: readonly { readonly lesson: string; readonly scenario: Scenario }[] = [
  {
    lesson: 'a stop in the middle of a rebalance waits until its last commit is taken, and repeats nothing',
    scenario: {
      seed: 2880,
      partitions: { events: 2, deliveries: 2, retry: 1 },
      processes: { router: 2, delivery: 1, retry: 1 },
      delays: ['5s', '5s', '30s', '2h'],
      jitter: 0.3,
      limits: {
        youngRequests: 2,
        slowRequests: 2,
        requestsPerWebhook: 1,
        maxUncommitted: 20,
        maxQueuedBytes: 1500,
        crowdedAt: 5000,
        windowRecords: 2,
        timeoutMs: 500,
      },
      brokerMs: 100,
      webhooks: [
        {
          id: 'webhook-0',
          tenantId: 'globex',
          eventType: 'all',
          phases: [{ untilMs: Number.POSITIVE_INFINITY, behaviours: ['accept'] }],
          retryAfterSeconds: 40,
        },
      ],
      events: [
        { atMs: 118, id: 'event-5', tenantId: 'acme', type: 'order.lost', partition: 0, kind: 'poison' },
        { atMs: 180, id: 'event-3', tenantId: 'globex', type: 'order.lost', partition: 0, kind: 'event' },
      ],
      faults: [
        { role: 'delivery', index: 0, kind: 'rejoin', atMs: 1445 },
        { role: 'delivery', index: 0, kind: 'stop', atMs: 1698, downMs: 10_164 },
      ],
    },
  },
];
