import { existsSync } from 'node:fs';
import { AppError } from './domain/errors.ts';
import { createRetrySchedule, type RetrySchedule } from './domain/retry-schedule.ts';
import type { TraceSampling } from './infrastructure/telemetry/tracing.ts';
import { cacheFolder } from './local/cache-folder.ts';
import { type Environment, SettingReader } from './setting-reader.ts';
import { SETTINGS } from './settings.ts';
import { readTracing } from './tracing-config.ts';

/** The whole configuration, read once and frozen; each part is handed only its slice. */
export interface Config {
  readonly kafka: {
    readonly brokers: readonly string[];
    readonly ssl: boolean;
    readonly sasl: {
      mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      username: string;
      password: string;
    } | null;
    readonly replication: number | null;
    readonly partitions: number | null;
    readonly topicPrefix: string;
    readonly instance: string;
    readonly sessionTimeoutMs: number;
  };
  readonly schemaRegistryUrl: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly api: {
    readonly port: number;
    readonly publicUrl: string | null;
    readonly trustedProxies: readonly string[];
  };
  readonly opsPort: number;
  readonly retry: RetrySchedule;
  readonly delivery: {
    readonly concurrency: number;
    readonly slowRequests: number;
    readonly webhookConcurrency: number;
    readonly maxUncommitted: number;
    readonly timeoutMs: number;
    readonly parkAfterMs: number;
  };
  readonly stopDeadlineMs: number;
  readonly retentionDays: number;
  readonly egress: {
    readonly allowCidrs: readonly string[];
    readonly allowHttp: boolean;
    readonly allowIpLiterals: boolean;
    readonly ports: readonly number[] | '*';
    readonly caFile: string | null;
    readonly dnsServers: readonly string[];
  };
  /** `id:base64key,…`; null when the roles of this process need none. */
  readonly secretKeys: string | null;
  readonly logLevel: string;
  /** Null while traces are off. */
  readonly tracing: TraceSampling | null;
  /** For the commands of tenants. */
  readonly apiUrl: string;
  readonly apiKey: string | null;
}

/** Reads a `.env` file into the environment when there is one; what is set already stays. */
export function loadEnvFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env');
}

/**
 * Reads the configuration from the environment. Throws `misconfigured` with every problem in one message, so that a
 * wrong deployment is repaired in one go.
 */
export function readConfig(environment: Environment = process.env): Config {
  const problems: string[] = [];
  const reader = new SettingReader(environment, problems);
  const tracing = readTracing(environment, (problem) => problems.push(problem));
  const config = { ...assemble(reader), tracing };
  if (problems.length > 0) {
    const list = problems.map((problem) => `  - ${problem}`).join('\n');
    throw new AppError('misconfigured', `The configuration has ${problems.length} problem(s):\n${list}`);
  }
  return Object.freeze(config);
}

/** What the local servers take from the machine's own conventions. */
export function readMachine(environment: Environment = process.env): {
  cacheDir: string;
  javaHome: string | undefined;
} {
  const javaHome = environment['JAVA_HOME'];
  return { cacheDir: cacheFolder(environment), javaHome: javaHome === '' ? undefined : javaHome };
}

/** The configuration of a local Posthorn: `presets` fill what the environment leaves unset (empty counts as set), `overrides` win. */
export function readConfigWith({ presets, overrides }: { presets: Environment; overrides: Environment }): Config {
  return readConfig({ ...presets, ...process.env, ...overrides });
}

/** Settings that differ from safe defaults and deserve a line at start. */
export function looseningsOf({ egress }: Config): string[] {
  const lines: string[] = [];
  if (egress.allowCidrs.length > 0)
    lines.push(`POSTHORN_EGRESS_ALLOW_CIDRS lets deliveries go to ${egress.allowCidrs.join(', ')}`);
  if (egress.allowHttp) lines.push('POSTHORN_EGRESS_ALLOW_HTTP lets webhooks use plain HTTP');
  if (egress.allowIpLiterals) lines.push('POSTHORN_EGRESS_ALLOW_IP_LITERALS lets webhook URLs name public addresses');
  if (egress.ports === '*') lines.push('POSTHORN_EGRESS_PORTS lets webhooks use any port');
  return lines;
}

function assemble(read: SettingReader): Omit<Config, 'tracing'> {
  return {
    kafka: {
      brokers: read.list('POSTHORN_KAFKA_BROKERS', /^[^\s:,]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/, 'host:port'),
      ssl: read.flag('POSTHORN_KAFKA_SSL'),
      sasl: readSasl(read),
      replication: read.optionalCount('POSTHORN_KAFKA_REPLICATION'),
      partitions: read.optionalCount('POSTHORN_KAFKA_PARTITIONS'),
      topicPrefix: read.matching('POSTHORN_TOPIC_PREFIX', /^[A-Za-z0-9._-]{0,100}$/, 'letters, digits, dots, hyphens'),
      instance: read.matching('POSTHORN_INSTANCE', /^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dots, hyphens'),
      sessionTimeoutMs: read.duration('POSTHORN_KAFKA_SESSION_TIMEOUT', 6_000, 300_000),
    },
    schemaRegistryUrl: read.url('POSTHORN_SCHEMA_REGISTRY_URL', ['http:', 'https:']),
    databaseUrl: read.url('POSTHORN_DATABASE_URL', ['postgres:', 'postgresql:']),
    dataDir: read.text('POSTHORN_DATA_DIR'),
    api: {
      port: read.port('POSTHORN_API_PORT'),
      publicUrl: read.optional('POSTHORN_PUBLIC_URL'),
      trustedProxies: read.list('POSTHORN_TRUSTED_PROXIES', /^[0-9a-fA-F.:/]+$/, 'an address or CIDR'),
    },
    opsPort: read.port('POSTHORN_OPS_PORT'),
    retry: readRetry(read),
    delivery: {
      concurrency: read.count('POSTHORN_DELIVERY_CONCURRENCY'),
      slowRequests: read.count('POSTHORN_SLOW_REQUESTS'),
      webhookConcurrency: read.count('POSTHORN_WEBHOOK_CONCURRENCY'),
      maxUncommitted: read.count('POSTHORN_DELIVERY_MAX_UNCOMMITTED'),
      timeoutMs: read.duration('POSTHORN_DELIVERY_TIMEOUT', 1_000, 30_000),
      parkAfterMs: read.duration('POSTHORN_PARK_AFTER', 1_000, 86_400_000),
    },
    stopDeadlineMs: read.duration('POSTHORN_STOP_DEADLINE', 1_000, 600_000),
    retentionDays: read.count('POSTHORN_RETENTION_DAYS'),
    egress: {
      allowCidrs: read.list('POSTHORN_EGRESS_ALLOW_CIDRS', /^[0-9a-fA-F.:]+\/\d{1,3}$/, 'a CIDR such as 10.1.0.0/16'),
      allowHttp: read.flag('POSTHORN_EGRESS_ALLOW_HTTP'),
      allowIpLiterals: read.flag('POSTHORN_EGRESS_ALLOW_IP_LITERALS'),
      ports: read.ports('POSTHORN_EGRESS_PORTS'),
      caFile: read.optional('POSTHORN_EGRESS_CA_FILE'),
      dnsServers: read.list('POSTHORN_DNS_SERVERS', /^[0-9a-fA-F.:[\]]+$/, 'an address, with or without port'),
    },
    secretKeys: read.optional('POSTHORN_SECRET_KEYS'),
    logLevel: read.matching(
      'POSTHORN_LOG_LEVEL',
      /^(fatal|error|warn|info|debug|trace|silent)$/,
      'fatal, error, warn, info, debug, trace or silent',
    ),
    apiUrl: read.url('POSTHORN_API_URL', ['http:', 'https:']),
    apiKey: read.optional('POSTHORN_API_KEY'),
  };
}

function readSasl(read: SettingReader): Config['kafka']['sasl'] {
  const mechanism = read.optional('POSTHORN_KAFKA_SASL_MECHANISM');
  if (mechanism === null) return null;
  const username = read.optional('POSTHORN_KAFKA_SASL_USERNAME') ?? '';
  const password = read.optional('POSTHORN_KAFKA_SASL_PASSWORD') ?? '';
  if (username === '' || password === '')
    read.report('POSTHORN_KAFKA_SASL_MECHANISM needs _USERNAME and _PASSWORD too');
  if (mechanism === 'plain' || mechanism === 'scram-sha-256' || mechanism === 'scram-sha-512') {
    return { mechanism, username, password };
  }
  read.report('POSTHORN_KAFKA_SASL_MECHANISM must be plain, scram-sha-256 or scram-sha-512');
  return null;
}

function readRetry(read: SettingReader): RetrySchedule {
  const names = read.list('POSTHORN_RETRY_SCHEDULE', /^[1-9]\d{0,5}[smhd]$/, 'a delay such as 5s, 30m, 2h');
  const jitter = Number(read.text('POSTHORN_RETRY_JITTER'));
  if (!(jitter >= 0 && jitter <= 0.5)) read.report('POSTHORN_RETRY_JITTER must be a number from 0 to 0.5');
  if (names.length === 0) read.report('POSTHORN_RETRY_SCHEDULE needs at least one delay, e.g. 5s,1m,5m');
  return createRetrySchedule(names, jitter) ?? { delays: [], tiers: [], jitter };
}

/** Lines about variables that look like settings and are none: a misspelt name would silently do nothing. */
export function unknownSettings(environment: Environment = process.env): string[] {
  return Object.keys(environment)
    .filter((name) => name.startsWith('POSTHORN_') && !name.startsWith('POSTHORN_TEST_') && !(name in SETTINGS))
    .map((name) => `${name} is set but is not a setting of Posthorn; is it misspelt?`);
}
