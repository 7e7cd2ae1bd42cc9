import { setTimeout as delay } from 'node:timers/promises';
import type { RowContext } from '../row.ts';
import type { FaultScene } from '../under-load.ts';

/** The processes that deliver. */
export const DELIVERY = ['delivery-0', 'delivery-1'] as const;

/** Time between two kills, beyond what the restart takes: long enough that the group is whole again. */
export const BETWEEN_MS = 1_000;

/** Session timeout and ten seconds: what a group may take to go on without a member. */
export function recoverWithin({ profile }: RowContext): number {
  return profile.sessionTimeoutMs / 1000 + 10;
}

/** Kills and restarts processes by turns, at times that the seed decides. */
export async function killAndRestart(
  { stage, during, random }: FaultScene,
  names: readonly string[],
  times: number,
): Promise<void> {
  for (let kill = 0; kill < times; kill++) {
    const name = names[kill % names.length] ?? '';
    await delay(BETWEEN_MS * random());
    await during(() => stage.fleet.kill(name));
    await stage.fleet.restart(name);
    await delay(BETWEEN_MS);
  }
}

/** Latencies of the first webhook's deliveries that began in a span, milliseconds. */
export function latenciesOf({ stage, row, load }: FaultScene, fromMs: number, toMs: number): number[] {
  const found: number[] = [];
  for (const { path, eventId, atMs, answer } of stage.receiver.requestsOf(row)) {
    const ackedAtMs = load.events.get(eventId)?.ackedAtMs ?? null;
    if (path !== `/${row}/0` || answer !== 'accepted' || ackedAtMs === null) continue;
    if (ackedAtMs >= fromMs && ackedAtMs < toMs) found.push(atMs - ackedAtMs);
  }
  return found;
}

/** How often processes joined their groups so far. */
export function joins({ stage }: FaultScene): number {
  const isJoin = ({ msg }: Readonly<Record<string, unknown>>) => msg === 'consumer.joined';
  return stage.fleet.names.reduce((sum, name) => sum + stage.fleet.logOf(name).filter(isJoin).length, 0);
}
