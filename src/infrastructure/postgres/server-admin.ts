import { Client } from 'pg';

const CONNECT_TIMEOUT_MS = 2_000;

/** Resolves when the server answers a query. */
export async function probeDatabase(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query('SELECT 1');
  });
}

/**
 * Creates the role (it may log in with `password` and create databases, and is no superuser) and the databases it owns,
 * those that are missing. Names are ours, never a user's; they are quoted all the same.
 */
export async function ensureDatabases(
  url: string,
  owner: { readonly role: string; readonly password: string },
  databases: readonly string[],
): Promise<void> {
  await withClient(url, async (client) => {
    const role = client.escapeIdentifier(owner.role);
    const roles = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [owner.role]);
    const password = client.escapeLiteral(owner.password);
    if (roles.rowCount === 0) await client.query(`CREATE ROLE ${role} LOGIN CREATEDB PASSWORD ${password}`);
    for (const name of databases) {
      const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
      if (found.rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)} OWNER ${role}`);
    }
  });
}

async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A connection that breaks while idle reports here; the query in flight reports the same by itself.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
