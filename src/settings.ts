/** One environment variable: its default and what it does. The table of the README is made from this list. */
export interface Setting {
  readonly default: string;
  readonly description: string;
}

/** Every setting of Posthorn, in the order of the documentation. */
export const SETTINGS = {
  POSTHORN_KAFKA_BROKERS: {
    default: 'localhost:9092',
    description: 'Kafka brokers, `host:port,…`',
  },
  POSTHORN_KAFKA_SSL: {
    default: 'false',
    description: 'Connect to Kafka with TLS',
  },
  POSTHORN_KAFKA_SASL_MECHANISM: {
    default: '',
    description: '`plain`, `scram-sha-256` or `scram-sha-512`; empty: no SASL',
  },
  POSTHORN_KAFKA_SASL_USERNAME: { default: '', description: 'SASL user' },
  POSTHORN_KAFKA_SASL_PASSWORD: { default: '', description: 'SASL password' },
  POSTHORN_KAFKA_REPLICATION: {
    default: '',
    description: 'Replication of new topics; empty: 3, or the number of brokers when fewer',
  },
  POSTHORN_KAFKA_PARTITIONS: {
    default: '',
    description: 'Partitions of new topics; empty: the default of each topic (3 to 12)',
  },
  POSTHORN_TOPIC_PREFIX: {
    default: 'posthorn.',
    description: "Prefix of Posthorn's own topics and consumer groups",
  },
  POSTHORN_INSTANCE: {
    default: '0',
    description:
      'Ordinal of this process among its equals; part of the Kafka client id, so a restarted process gets its partitions back',
  },
  POSTHORN_KAFKA_SESSION_TIMEOUT: {
    default: '30s',
    description:
      'How long a process may be silent before its consumer group gives its partitions to others, 6s to 300s; the fault suite lowers it',
  },
  POSTHORN_SCHEMA_REGISTRY_URL: {
    default: 'http://localhost:8081/apis/ccompat/v7',
    description: 'Schema registry (Confluent API), with its base path',
  },
  POSTHORN_DATABASE_URL: {
    default: 'postgres://posthorn:posthorn@localhost:5432/posthorn',
    description: 'PostgreSQL',
  },
  POSTHORN_DATA_DIR: {
    default: './.posthorn',
    description: 'Data of the local servers, their logs, keys and certificates; locked while in use',
  },
  POSTHORN_API_PORT: {
    default: '8080',
    description: 'Port of the management API; 0 takes a free one',
  },
  POSTHORN_OPS_PORT: {
    default: '9464',
    description: 'Port of `/livez`, `/readyz` and `/metrics`; 0 takes a free one',
  },
  POSTHORN_PUBLIC_URL: {
    default: '',
    description: 'URL under which customers reach the API; webhooks to its host are refused',
  },
  POSTHORN_TRUSTED_PROXIES: {
    default: '',
    description: 'Reserved: addresses or CIDRs whose `X-Forwarded-For` will be believed; nothing reads it yet',
  },
  POSTHORN_RETRY_SCHEDULE: {
    default: '5s,1m,5m,30m,2h,6h,12h,24h,24h',
    description: 'Delays between attempts; one more attempt than delays',
  },
  POSTHORN_RETRY_JITTER: {
    default: '0.2',
    description: 'Share of a delay by which retries spread, 0 to 0.5',
  },
  POSTHORN_DELIVERY_CONCURRENCY: {
    default: '256',
    description: 'Requests younger than a second at once, per process',
  },
  POSTHORN_SLOW_REQUESTS: {
    default: '5000',
    description: 'Requests older than a second at once, per process',
  },
  POSTHORN_WEBHOOK_CONCURRENCY: {
    default: '10',
    description: 'Requests at once to one webhook, at the most',
  },
  POSTHORN_DELIVERY_MAX_UNCOMMITTED: {
    default: '1000',
    description:
      'Resolved but uncommitted records per process: with the requests in flight the bound on repeats after a kill',
  },
  POSTHORN_DELIVERY_TIMEOUT: {
    default: '15s',
    description: 'Deadline of one attempt, from name resolution to the end of the answer, 1s to 30s',
  },
  POSTHORN_PARK_AFTER: {
    default: '1h',
    description:
      'A webhook that has done nothing but fail for this long is parked: what waits for it is kept in PostgreSQL until it accepts something again; 1s to 24h',
  },
  POSTHORN_STOP_DEADLINE: {
    default: '25s',
    description: 'Longest drain at a stop; attempts still running then are cut and repeated later',
  },
  POSTHORN_RETENTION_DAYS: {
    default: '30',
    description: 'Days that events, deliveries and attempts stay in PostgreSQL',
  },
  POSTHORN_EGRESS_ALLOW_CIDRS: {
    default: '',
    description: 'Non-public networks that deliveries may go to, e.g. `10.1.0.0/16`',
  },
  POSTHORN_EGRESS_ALLOW_HTTP: {
    default: 'false',
    description: 'Accept `http://` webhook URLs',
  },
  POSTHORN_EGRESS_ALLOW_IP_LITERALS: {
    default: 'false',
    description: 'Accept public IP addresses as hosts of webhook URLs',
  },
  POSTHORN_EGRESS_PORTS: {
    default: '443,8443',
    description: 'Ports that webhook URLs may name; `*`: any',
  },
  POSTHORN_EGRESS_CA_FILE: {
    default: '',
    description: 'PEM file with further certificate authorities for deliveries',
  },
  POSTHORN_DNS_SERVERS: {
    default: '',
    description: 'DNS servers for webhook hosts; empty: those of the system',
  },
  POSTHORN_SECRET_KEYS: {
    default: '',
    description:
      'Keys that encrypt secrets at rest, `id:base64key,…`; the first one encrypts, all decrypt. Needed by `api` and `delivery`',
  },
  POSTHORN_LOG_LEVEL: {
    default: 'info',
    description: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`',
  },
  POSTHORN_API_URL: {
    default: 'http://localhost:8080',
    description: 'Reserved for commands of tenants: where the API is; no command uses it yet',
  },
  POSTHORN_API_KEY: {
    default: '',
    description: 'Reserved for commands of tenants: their API key; no command uses it yet',
  },
} satisfies Record<string, Setting>;
