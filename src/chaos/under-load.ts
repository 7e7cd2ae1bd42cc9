import { setTimeout as delay } from 'node:timers/promises';
import { type ApiAccess, callApi } from '../bench/api.ts';
import { type AttemptRow, compare, type Findings, keyOf, missing } from './checker.ts';
import { type AnswerRule, epochMs, mixedRule } from './ledger.ts';
import { CHAOS_TYPE, Load } from './load.ts';
import { OffsetWatch, totalLag } from './positions.ts';
import { latencies, recoverySeconds, type Span } from './recovery.ts';
import type { RowContext, RowReport } from './row.ts';
import { FLEET } from './stage.ts';

/** A webhook of a row. */
export interface RowWebhook {
  readonly id: string;
  /** `/<row>/<number>` */
  readonly path: string;
}

/** What a row's fault has at hand while the load runs. */
export interface FaultScene extends RowContext {
  readonly access: ApiAccess;
  readonly load: Load;
  readonly webhooks: readonly RowWebhook[];
  /** Marks the time of a fault; what is measured is told apart by it. */
  readonly during: (fault: () => Promise<void>) => Promise<void>;
  readonly measure: (name: string, value: number | string | boolean | null) => void;
  readonly fail: (sentence: string) => void;
}

/** A row in which faults happen while events flow. */
export interface LoadPlan {
  readonly k: number;
  /** Duplicates allowed. */
  readonly bound: number;
  /** Requests without an attempt row that are allowed: those that a kill cut. */
  readonly unrecorded?: number;
  /** How the receiver answers; mixed as real ones are unless given. */
  readonly rule?: (index: number) => AnswerRule;
  readonly webhooks?: number;
  readonly perSecond?: number;
  readonly events?: number;
  /** The receiver's port that webhooks name; its own unless given. */
  readonly port?: number;
  readonly hostOf?: (index: number) => string;
  /** Further paths of this row, of webhooks that need not get every event. */
  readonly extraPaths?: readonly string[];
  /** Seconds until 90 % of the rate are back; null when the row makes no promise. */
  readonly recoverWithin?: number | null;
  /** Retries may be late while what moves them is down. */
  readonly lateSeconds?: number;
  /** False where timestamps and times in the log are wrong on purpose. */
  readonly dated?: boolean;
  readonly act: (scene: FaultScene) => Promise<void>;
  readonly judge?: (findings: Findings, scene: FaultScene) => Promise<void> | void;
}

const LEAD_MS = 3_000;
const TAIL_MS = 3_000;
const PROBE_TIMEOUT_MS = 60_000;
/** Longer than the longest delay between two attempts. */
const PATIENCE_MS = 45_000;
/** However much still moves: what goes round in circles has not arrived. */
const LONGEST_SETTLING_MS = 180_000;
const RECORDER_PATIENCE_MS = 30_000;

/** Runs a row: webhooks, load, faults, rest, comparison. */
export async function underLoad(context: RowContext, plan: LoadPlan): Promise<RowReport> {
  const { stage, profile, row } = context;
  await stage.fleet.ensure(FLEET);
  const access = await stage.createTenant(tenantOf(context));
  const webhooks = await createWebhooks(context, access, plan);
  const newLoad = (name: string) =>
    new Load({
      publish: stage.publish,
      schemaRegistryUrl: stage.schemaRegistryUrl,
      tenantId: tenantOf(context),
      name,
    });
  const probes = newLoad(`${row}-${context.seed}-probe`);
  await probe(context, probes, webhooks);
  for (const [index, { path }] of webhooks.entries())
    stage.receiver.setRule(path, plan.rule?.(index) ?? mixedRule(index));
  const load = newLoad(`${row}-${context.seed}`);
  const record = {
    spans: [] as Span[],
    measured: {} as Record<string, number | string | boolean | null>,
    failures: [] as string[],
  };
  const scene: FaultScene = {
    ...context,
    access,
    load,
    webhooks,
    during: async (fault) => {
      const startMs = epochMs();
      try {
        await fault();
      } finally {
        record.spans.push({ startMs, endMs: epochMs() });
      }
    },
    measure: (name, value) => void (record.measured[name] = value),
    fail: (sentence) => void record.failures.push(sentence),
  };
  const offsets = new OffsetWatch(stage.admin, stage.names);
  const running = load.run(Number.POSITIVE_INFINITY, plan.perSecond ?? profile.perSecond);
  try {
    await delay(LEAD_MS);
    await plan.act(scene);
    await delay(TAIL_MS);
    while (load.acked.length < (plan.events ?? profile.events)) await delay(100);
  } finally {
    load.end();
    await running;
    await offsets.stop();
  }
  context.progress(`${row}: ${load.acked.length} events, waiting for the rest`);
  await untilSettled(scene);
  return report({ scene, plan, probes, record, moved: offsets.violations });
}

/** Each row has a tenant of its own. */
export function tenantOf({ row, seed }: Pick<RowContext, 'row' | 'seed'>): string {
  return `${row.toLowerCase()}-${seed}`;
}

async function createWebhooks(context: RowContext, access: ApiAccess, plan: LoadPlan): Promise<RowWebhook[]> {
  const { stage, row, profile } = context;
  const { hostOf = () => 'localhost', port = stage.receiver.port, webhooks = profile.webhooks } = plan;
  const created: RowWebhook[] = [];
  for (let index = 0; index < webhooks; index++) {
    const path = `/${row}/${index}`;
    const webhook_url = `http://${hostOf(index)}:${port}${path}`;
    const answer = await callApi(access, 'POST', '/api/v1/webhooks/', { event_type: CHAOS_TYPE, webhook_url });
    stage.receiver.expectSecret(path, String(answer['secret_key']));
    created.push({ id: String(answer['id']), path });
  }
  return created;
}

/** New webhooks count after a moment: events until each of them got one. */
async function probe({ stage, row }: RowContext, probes: Load, webhooks: readonly RowWebhook[]): Promise<void> {
  const deadlineMs = performance.now() + PROBE_TIMEOUT_MS;
  for (;;) {
    const reached = new Set(stage.receiver.requestsOf(row).map(({ path }) => path));
    if (webhooks.every(({ path }) => reached.has(path))) return;
    if (performance.now() > deadlineMs) throw new Error(`no event reaches all webhooks of ${row}`);
    await probes.publishOne();
    await delay(200);
  }
}

/** Until everything is accepted or dead and all groups have committed everything; gives up when nothing moves any more. */
async function untilSettled({ stage, row, load, webhooks, profile }: FaultScene): Promise<void> {
  const expected = {
    events: load.events,
    webhookPaths: webhooks.map(({ path }) => path),
    deadLetters: new Set<string>(),
  };
  let before = '';
  const startedMs = performance.now();
  let movedMs = startedMs;
  for (;;) {
    const requests = stage.receiver.requestsOf(row);
    const lag = await totalLag(stage.admin, stage.names).catch(() => Number.NaN);
    if (lag === 0) {
      const accepted = new Set(requests.filter(({ answer }) => answer === 'accepted').map(keyOf));
      if (missing(expected, accepted).length === 0) return;
    }
    const now = `${requests.length} ${lag}`;
    if (now !== before) movedMs = performance.now();
    before = now;
    const isEndless = profile.name !== 'nightly' && performance.now() - startedMs > LONGEST_SETTLING_MS;
    if (isEndless || performance.now() - movedMs > PATIENCE_MS) return;
    await delay(profile.name === 'nightly' ? 2_000 : 300);
  }
}

interface Outcome {
  readonly scene: FaultScene;
  readonly plan: LoadPlan;
  readonly probes: Load;
  readonly record: {
    readonly spans: Span[];
    readonly measured: Record<string, number | string | boolean | null>;
    readonly failures: string[];
  };
  readonly moved: readonly string[];
}

async function report({ scene, plan, probes, record, moved }: Outcome): Promise<RowReport> {
  const { stage, row, load, webhooks } = scene;
  const requests = stage.receiver.requestsOf(row).filter(({ eventId }) => !probes.events.has(eventId));
  const attempts = await attemptsOf(scene, requests.length, new Set(probes.events.keys()));
  const evidence = {
    events: load.events,
    webhookPaths: webhooks.map(({ path }) => path),
    extraPaths: plan.extraPaths ?? [],
    requests,
    deadLetters: await deadLettersOf(scene),
    attempts,
  };
  const findings = compare(evidence);
  const recovery = recoverySeconds(requests, record.spans);
  await plan.judge?.(findings, scene);
  const ends = stage.fleet.takeUnexpectedEnds();
  const failures = [...record.failures, ...ends, ...moved, ...judge(findings, plan, recovery)];
  return {
    n: load.acked.length,
    k: plan.k,
    requests: requests.length,
    lost: findings.lost.length,
    duplicates: findings.duplicates,
    bound: plan.bound,
    dead: findings.dead,
    recoverySeconds: recovery,
    latencyMs: latencies(load.events, requests, record.spans),
    measured: {
      unrecorded: findings.unrecorded,
      lateSeconds: Math.round(findings.latestSeconds * 10) / 10,
      ...record.measured,
    },
    failures,
  };
}

function judge(findings: Findings, plan: LoadPlan, recovery: number | null): string[] {
  const { recoverWithin = null, unrecorded = 0, lateSeconds = null, dated = true } = plan;
  const promises: readonly (readonly [boolean, string])[] = [
    [findings.lost.length === 0, `${findings.lost.length} deliveries were lost, e.g. ${findings.lost[0]}`],
    [findings.invented === 0, `${findings.invented} requests carried what nobody published`],
    [findings.duplicates <= plan.bound, `${findings.duplicates} duplicates exceed the bound of ${plan.bound}`],
    [findings.unverified === 0, `${findings.unverified} signatures do not verify`],
    [!dated || findings.misdated === 0, `${findings.misdated} requests have a wrong id or timestamp`],
    [!dated || findings.early === 0, `${findings.early} retries began before they were due`],
    [lateSeconds === null || findings.latestSeconds <= lateSeconds, `a retry was ${findings.latestSeconds} s late`],
    [findings.unrecorded <= unrecorded, `${findings.unrecorded} requests have no attempt row, ${unrecorded} may`],
    [
      recoverWithin === null || (recovery !== null && recovery <= recoverWithin),
      `the rate came back after ${recovery} s instead of ${recoverWithin} s`,
    ],
  ];
  return promises.filter(([isKept]) => !isKept).map(([, sentence]) => sentence);
}

/** The rows of the attempts table, once they are as many as the requests or grow no more. */
async function attemptsOf(scene: FaultScene, expected: number, probes: ReadonlySet<string>): Promise<AttemptRow[]> {
  const tenantId = tenantOf(scene);
  let rows: readonly (AttemptRow & { eventId: string })[] = [];
  let grewMs = performance.now();
  for (;;) {
    const { rows: found } = await scene.stage.database.knex.raw<{ rows: (AttemptRow & { eventId: string })[] }>(
      `SELECT delivery_id AS "deliveryId", event_id AS "eventId", attempt,
         extract(epoch FROM started_at)::float8 * 1000 AS "startedAtMs",
         extract(epoch FROM next_attempt_at)::float8 * 1000 AS "nextAttemptAtMs"
       FROM attempts WHERE tenant_id = ? AND kind = 'attempted'`,
      [tenantId],
    );
    if (found.length > rows.length) grewMs = performance.now();
    rows = found;
    const ours = rows.filter(({ eventId }) => !probes.has(eventId));
    const waitedMs = performance.now() - grewMs;
    if (ours.length >= expected || waitedMs > RECORDER_PATIENCE_MS / (expected - ours.length > 500 ? 1 : 5))
      return ours;
    await delay(300);
  }
}

async function deadLettersOf(scene: FaultScene): Promise<Set<string>> {
  const { stage, webhooks } = scene;
  const { rows } = await stage.database.knex.raw<{ rows: { eventId: string; webhookId: string | null }[] }>(
    `SELECT event_id AS "eventId", webhook_id AS "webhookId" FROM dead_letters WHERE tenant_id = ?`,
    [tenantOf(scene)],
  );
  const pathOf = new Map(webhooks.map(({ id, path }) => [id, path]));
  return new Set(rows.map(({ eventId, webhookId }) => `${pathOf.get(webhookId ?? '') ?? ''} ${eventId}`));
}
