/** Where the real servers of this run listen. */
export interface TestServers {
  readonly kafkaBrokers: readonly string[];
  readonly schemaRegistryUrl: string;
  /** A database whose role may create further databases; tests make their own. */
  readonly databaseUrl: string;
}

/** The variables through which the global setup tells the workers where the servers listen. */
export const SERVER_VARIABLES = {
  kafkaBrokers: 'POSTHORN_TEST_KAFKA_BROKERS',
  schemaRegistryUrl: 'POSTHORN_TEST_SCHEMA_REGISTRY_URL',
  databaseUrl: 'POSTHORN_TEST_DATABASE_URL',
} as const;

/** The servers that `support/runtime.ts` started, or those that the environment names. */
export function testServers(): TestServers {
  return {
    kafkaBrokers: required(SERVER_VARIABLES.kafkaBrokers).split(','),
    schemaRegistryUrl: required(SERVER_VARIABLES.schemaRegistryUrl),
    databaseUrl: required(SERVER_VARIABLES.databaseUrl),
  };
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new Error(`${name} is not set: run this test through test/vitest.config.ts`);
  return value;
}
