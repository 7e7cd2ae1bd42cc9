import type { Connection } from './connection.ts';

export interface PoolLimits {
  /** Origins whose idle connections are kept; the one unused for longest goes first. */
  readonly maxIdleOrigins: number;
  readonly maxIdleConnections: number;
}

/**
 * Idle connections by origin. There is no limit on busy ones: lanes limit requests per webhook, and a limit per origin
 * would let one webhook stop its neighbours on the same host.
 */
export class ConnectionPool {
  readonly #limits: PoolLimits;
  /** Only origins with an idle connection, least recently used first. */
  readonly #idle = new Map<string, Connection[]>();
  readonly #all = new Set<Connection>();
  #idleCount = 0;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get idleSize(): number {
    return this.#idleCount;
  }

  add(connection: Connection): void {
    this.#all.add(connection);
  }

  /** The most recently used idle connection: the others may then age and close. */
  take(origin: string): Connection | undefined {
    const idle = this.#idle.get(origin);
    if (idle === undefined) return undefined;
    let connection = idle.pop();
    while (connection !== undefined) {
      this.#idleCount -= 1;
      if (idle.length === 0) this.#idle.delete(origin);
      if (connection.isUsable) return connection;
      this.#all.delete(connection);
      connection.destroy();
      connection = idle.pop();
    }
    return undefined;
  }

  /** Takes a connection back whose answer was read to its end. */
  put(connection: Connection): void {
    if (!this.#all.has(connection)) return;
    const idle = this.#idle.get(connection.origin) ?? [];
    idle.push(connection);
    this.#idleCount += 1;
    this.#idle.delete(connection.origin);
    this.#idle.set(connection.origin, idle);
    while (this.#isOverFull()) this.#dropOldestOrigin();
  }

  /** Forgets a connection that closed. */
  remove(connection: Connection): void {
    if (!this.#all.delete(connection)) return;
    const idle = this.#idle.get(connection.origin);
    const index = idle?.indexOf(connection) ?? -1;
    if (idle === undefined || index < 0) return;
    idle.splice(index, 1);
    this.#idleCount -= 1;
    if (idle.length === 0) this.#idle.delete(connection.origin);
  }

  /** Cuts every connection, busy ones too. */
  destroyAll(): void {
    const connections = [...this.#all];
    this.#all.clear();
    this.#idle.clear();
    this.#idleCount = 0;
    for (const connection of connections) connection.destroy();
  }

  #isOverFull(): boolean {
    return this.#idle.size > this.#limits.maxIdleOrigins || this.#idleCount > this.#limits.maxIdleConnections;
  }

  #dropOldestOrigin(): void {
    const [oldest, connections = []] = this.#idle.entries().next().value ?? [];
    if (oldest === undefined) return;
    this.#idle.delete(oldest);
    this.#idleCount -= connections.length;
    for (const connection of connections) {
      this.#all.delete(connection);
      connection.destroy();
    }
  }
}
