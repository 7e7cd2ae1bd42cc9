import { randomBytes } from 'node:crypto';
import type { Config } from '../config.ts';
import { AppError } from '../domain/errors.ts';
import { type KeyRing, NONCE_BYTES, parseKeyRing } from '../domain/secret-box.ts';
import type { WebhookSender } from '../infrastructure/http/webhook-sender.ts';
import { LagWatch } from '../infrastructure/kafka/lag-watch.ts';
import { type Service, stopAll } from '../infrastructure/lifecycle.ts';
import { checkSecretKeys } from '../infrastructure/postgres/secret-key-check.ts';
import type { Logger } from '../infrastructure/telemetry/logger.ts';
import { createMetrics } from '../infrastructure/telemetry/metrics.ts';
import { createOpsServer, type OpsServer, type ReadinessCheck } from '../processes/ops-server.ts';
import { VERSION } from '../version.ts';
import { composeApi } from './api.ts';
import { composeDelivery, composeSender } from './delivery.ts';
import { type WatchedDependencies, watchDependencies } from './dependencies.ts';
import {
  ClusterAdmin,
  createFoundation,
  type Foundation,
  type Readiness,
  waitForCodecs,
  waitForDatabase,
  waitForKafka,
} from './foundation.ts';
import { showCaches, showLag, showSecrets } from './gauges.ts';
import { composeRecorder } from './recorder.ts';
import { composeRetry } from './retry.ts';
import { type PipelineParts, type Role, type RoleParts, within } from './roles.ts';
import { composeRouter } from './router.ts';
import { createTracing } from './tracing.ts';

export interface ServeOptions {
  readonly config: Config;
  readonly roles: readonly Role[];
  /** Interface that API and ops listen on; all of them unless given. */
  readonly host?: string;
  readonly log: Logger;
  /** Something happened after which the process must end. */
  readonly onFatal: (error: Error) => void;
}

/** A running process of Posthorn. */
export interface ServingProcess extends Service {
  /** Null when the role `api` is not played. Only after `start`. */
  readonly apiUrl: string | null;
  readonly opsUrl: string;
  /** Whether events count for this webhook already. */
  knowsWebhook(id: string): boolean;
}

/** Builds a process that plays the given roles; nothing is opened before `start`. */
export function createServingProcess(options: ServeOptions): ServingProcess {
  return new Serving(options);
}

class Serving implements ServingProcess {
  readonly name = 'posthorn';
  readonly #options: ServeOptions;
  readonly #base: Foundation;
  readonly #abort = new AbortController();
  readonly #started: Service[] = [];
  readonly #checks: ReadinessCheck[];
  readonly #ops: OpsServer;
  readonly #watch: WatchedDependencies;
  #apiPort: number | null = null;
  #waitsFor: string | null = 'start';
  #stopping: Promise<void> | null = null;
  #starting: Promise<void> | null = null;

  constructor(options: ServeOptions) {
    this.#options = options;
    const metrics = createMetrics(VERSION);
    const { config, log, onFatal } = options;
    this.#base = createFoundation({ config, log, metrics, onFatal });
    this.#checks = [{ name: 'start', check: () => (this.#stopping === null ? this.#waitsFor : 'stopping') }];
    this.#watch = watchDependencies(this.#base, options.roles);
    this.#checks.push(...this.#watch.checks);
    this.#ops = createOpsServer({
      ...listening(options),
      port: config.opsPort,
      checks: this.#checks,
      metrics: metrics.registry,
    });
  }

  get apiUrl(): string | null {
    return this.#apiPort === null ? null : `http://localhost:${this.#apiPort}`;
  }

  get opsUrl(): string {
    return `http://localhost:${this.#ops.port}`;
  }

  knowsWebhook(id: string): boolean {
    return this.#base.webhooks.get(id) !== undefined;
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.stop();
      throw error;
    });
    return this.#starting;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopInTime();
    return this.#stopping;
  }

  /** A server that is away may hold up a stop; nobody waits for it longer than the deadline. */
  async #stopInTime(): Promise<void> {
    const { log, config } = this.#options;
    if (!(await within(config.stopDeadlineMs, this.#stop()))) log.error('serve.stop_deadline_passed');
  }

  async #stop(): Promise<void> {
    this.#abort.abort(new AppError('unavailable', 'stopped before the start was complete'));
    await stopAll(this.#started);
    await this.#base.database.close();
  }

  async #start(): Promise<void> {
    const { roles } = this.#options;
    const keyRing = this.#readKeys();
    await this.#run(this.#ops);
    // Said before anything is waited for: with port 0 nobody could ask /readyz otherwise.
    this.#base.log.info({ opsUrl: this.opsUrl }, 'serve.ops_listening');
    await this.#run(this.#watch);
    const readiness = { signal: this.#abort.signal, onState: (state: string | null) => void (this.#waitsFor = state) };
    await waitForDatabase(this.#base, readiness);
    if (keyRing !== null) showSecrets(this.#base, keyRing);
    if (keyRing !== null) await checkSecretKeys(this.#base.database, keyRing, randomBytes(NONCE_BYTES));
    await this.#startCaches();
    const sender = keyRing === null ? null : composeSender(this.#base);
    if (sender !== null) this.#started.push(senderService(sender));
    if (roles.includes('api')) await this.#startApi(sender, keyRing);
    if (roles.some((role) => role !== 'api')) await this.#startPipeline({ sender, keyRing, readiness });
    this.#waitsFor = null;
    this.#base.log.info({ roles, apiUrl: this.apiUrl, opsUrl: this.opsUrl }, 'serve.ready');
  }

  /** Roles that keep or use secrets refuse to start without keys. */
  #readKeys(): KeyRing | null {
    const { roles, config } = this.#options;
    if (!roles.includes('api') && !roles.includes('delivery')) return null;
    if (config.secretKeys === null) {
      throw new AppError(
        'misconfigured',
        'POSTHORN_SECRET_KEYS is not set: the roles api and delivery need it, as id:base64key (32 random bytes)',
      );
    }
    return parseKeyRing(config.secretKeys);
  }

  async #startCaches(): Promise<void> {
    const { feed, webhooks, eventTypes } = this.#base;
    for (const service of [webhooks, eventTypes, feed]) await this.#run(service);
    this.#checks.push({ name: 'webhooks', check: () => webhooks.waitsFor() });
    this.#checks.push({ name: 'event types', check: () => eventTypes.waitsFor() });
    showCaches(this.#base);
  }

  async #startApi(sender: WebhookSender | null, keyRing: KeyRing | null): Promise<void> {
    if (sender === null || keyRing === null) return;
    const api = composeApi(this.#base, { sender, keyRing, ...listening(this.#options) });
    await this.#run(api);
    this.#apiPort = api.port;
  }

  async #startPipeline(tools: {
    sender: WebhookSender | null;
    keyRing: KeyRing | null;
    readiness: Readiness;
  }): Promise<void> {
    const base = this.#base;
    const cluster = new ClusterAdmin(base.kafkaFor('admin'), base.names);
    this.#started.push(cluster);
    await waitForKafka(base, cluster, tools.readiness);
    const codecs = await waitForCodecs(base, tools.readiness);
    await this.#run(base.publisher);
    const lag = new LagWatch({ endOffsets: (topic) => cluster.endOffsets(topic), now: Date.now, log: base.log });
    showLag(base, lag);
    await this.#run(lag);
    const tracing = await createTracing(base);
    if (tracing !== null) await this.#run(tracing);
    const parts = { base, cluster, codecs, lag, tracing };
    for (const role of this.#options.roles) {
      const composed = await composeRole(role, parts, tools);
      for (const service of composed.services) await this.#run(service);
      this.#checks.push(...composed.checks);
    }
  }

  async #run(service: Service): Promise<void> {
    this.#abort.signal.throwIfAborted();
    // Listed first: what fails half-way through its start is stopped too.
    this.#started.push(service);
    await service.start();
  }
}

async function composeRole(
  role: Role,
  parts: PipelineParts,
  { sender, keyRing }: { sender: WebhookSender | null; keyRing: KeyRing | null },
): Promise<RoleParts> {
  switch (role) {
    case 'router':
      return composeRouter(parts);
    case 'retry':
      return composeRetry(parts);
    case 'recorder':
      return composeRecorder(parts);
    case 'delivery':
      if (sender === null || keyRing === null) return NOTHING;
      return composeDelivery(parts, { sender, keyRing, retryPartitions: await countRetryPartitions(parts.base) });
    case 'api':
      return NOTHING;
  }
}

const NOTHING: RoleParts = { services: [], checks: [] };

async function countRetryPartitions({ config, names, publisher }: Foundation): Promise<(tier: string) => number> {
  const counts = new Map<string, number>();
  for (const { name } of config.retry.tiers) counts.set(name, await publisher.partitionCount(names.retry(name)));
  return (tier) => counts.get(tier) ?? 1;
}

function listening({ host }: ServeOptions): { host?: string } {
  return host === undefined ? {} : { host };
}

function senderService(sender: WebhookSender): Service {
  return { name: 'sender', start: async () => undefined, stop: () => sender.close() };
}
