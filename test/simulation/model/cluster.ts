import type { Random } from '../random.ts';
import type { Fault, Scenario, Step } from '../scenario.ts';
import type { Owner, VirtualTime } from '../virtual-time.ts';
import type { Committed, Group } from './group.ts';
import type { Log, LogEntry } from './log.ts';

/** A process as the models see it. */
export interface Client extends Owner {
  readonly name: string;
  readonly random: Random;
  /** It comes to a side effect: the place where a kill may wait for it. */
  reach(step: Step): void;
}

/** What the models of Kafka, receivers and the database have in common. */
export interface Cluster {
  readonly time: VirtualTime;
  readonly log: Log;
  readonly scenario: Scenario;
  group(id: string): Group;
  /** The fault of this kind that is at work now. */
  fault<K extends Fault['kind']>(kind: K): Extract<Fault, { kind: K }> | null;
  strikes(fault: Fault & { kind: 'publish' }): boolean;
  /** Something is not as it should be: what happens now need not be in time. */
  disturb(): void;
  violate(what: string): void;
  /** One line of what happens, for people. */
  story(what: string): void;
  readonly observer: {
    publishFailed(written: readonly LogEntry[]): void;
    committed(commit: { groupId: string; place: string; before: Committed | null; after: Committed; by: Client }): void;
  };
}

/** One way to a broker or back. */
export function wayMs({ scenario }: Cluster, { random }: Client): number {
  return random.between(1, scenario.brokerMs);
}

/** A request: `serve` runs at the broker even when the client dies meanwhile; the answer reaches only a living one. */
export function request<T>(cluster: Cluster, client: Client, serve: () => T): Promise<T> {
  if (!client.isAlive) return new Promise(() => {});
  return new Promise((resolve, reject) => {
    cluster.time.schedule(
      wayMs(cluster, client),
      () => {
        const answer = attempt(serve);
        const settle = () => ('error' in answer ? reject(answer.error) : resolve(answer.value));
        cluster.time.schedule(wayMs(cluster, client), settle, client);
      },
      null,
    );
  });
}

function attempt<T>(serve: () => T): { value: T } | { error: Error } {
  try {
    return { value: serve() };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** An error as the Kafka client throws it. */
export function kafkaError(type: string, retriable: boolean): Error {
  return Object.assign(new Error(type), { type, retriable });
}
