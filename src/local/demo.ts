import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '../domain/errors.ts';
import { type DemoProducer, startDemoProducer } from './demo-events.ts';
import { type DemoArrival, DemoLedger } from './demo-ledger.ts';
import { createDemoWebhooks, type DemoWebhook, deleteDemoWebhooks, wantedBy } from './demo-webhooks.ts';
import type { LocalPosthorn } from './local-posthorn.ts';
import { type Arrival, type Receiver, startReceiver } from './receiver.ts';

/** A receiver with webhooks and a producer of samples, all on this machine. */
export interface Demo {
  readonly receiverUrl: string;
  readonly webhooks: readonly DemoWebhook[];
  readonly producer: DemoProducer;
  readonly ledger: DemoLedger;
  /** Removes the webhooks and ends producer and receiver. */
  close(): Promise<void>;
}

export interface DemoOptions {
  readonly onArrival: (arrival: DemoArrival) => void;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

const ROUTING_DEADLINE_MS = 15_000;
const POLL_INTERVAL_MS = 20;

/** Starts the demo; it resolves when the webhooks count for routing. On failure nothing of it is left. */
export async function startDemo(posthorn: LocalPosthorn, options: DemoOptions): Promise<Demo> {
  const { progress, signal } = options;
  const ledger = new DemoLedger();
  // Known only once the API has made them, and asked for whenever something arrives.
  let webhooks: readonly DemoWebhook[] = [];
  const receiver = await startDemoReceiver(posthorn, () => webhooks, {
    ...options,
    onArrival: (arrival) => {
      ledger.note(arrival);
      options.onArrival(arrival);
    },
  });
  const opened: (() => Promise<void>)[] = [() => receiver.close()];
  const close = () => closeAll(opened);
  try {
    progress('creating webhooks through the API');
    webhooks = await createDemoWebhooks(posthorn.ready, receiver.url);
    const ids = webhooks.map(({ id }) => id);
    opened.push(() => deleteDemoWebhooks(posthorn.ready, ids));
    const producer = await startDemoProducer({
      config: posthorn.config,
      tenantId: posthorn.ready.tenantId,
      onPublish: (event) => {
        const wanted = wantedBy(webhooks, event.type);
        ledger.expect(
          event,
          wanted.map(({ name }) => name),
        );
      },
    });
    opened.push(() => producer.close());
    await untilRouted(posthorn, ids, signal);
    return { receiverUrl: receiver.url, webhooks, producer, ledger, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is open, newest first; all of it, whatever fails. At the end of a demo nobody can react to a failure. */
async function closeAll(opened: readonly (() => Promise<void>)[]): Promise<void> {
  for (const close of opened.toReversed()) await close().catch(() => undefined);
}

function startDemoReceiver(
  { certificates }: LocalPosthorn,
  webhooks: () => readonly DemoWebhook[],
  { onArrival }: Pick<DemoOptions, 'onArrival'>,
): Promise<Receiver> {
  const at = (path: string) => webhooks().find((webhook) => webhook.path === path);
  return startReceiver({
    tls: certificates,
    secrets: (path) => webhooks().flatMap((webhook) => (webhook.path === path ? [webhook.secret] : [])),
    answer: (arrival) => {
      const webhook = at(arrival.path);
      const fails = webhook?.failsFirst === true && arrival.attempt === 1;
      const status = fails ? 500 : 200;
      onArrival(describe(arrival, webhook, status));
      return { kind: 'respond', status, body: fails ? 'not today; try again' : 'ok' };
    },
  });
}

function describe(arrival: Arrival, webhook: DemoWebhook | undefined, status: number): DemoArrival {
  const { webhookId, type, attempt, verified, path } = arrival;
  const happenedAtMs = timeOf(arrival.body);
  return {
    eventId: webhookId,
    type: type ?? 'no type',
    webhook: webhook?.name ?? path,
    isOurs: webhook !== undefined,
    attempt: attempt ?? 1,
    status,
    latencyMs: happenedAtMs === null ? null : arrival.receivedAtMs - happenedAtMs,
    verified,
  };
}

/** `timestamp` of the body, epoch milliseconds. */
function timeOf(body: Buffer): number | null {
  try {
    const content: unknown = JSON.parse(body.toString());
    const hasTime = typeof content === 'object' && content !== null && 'timestamp' in content;
    const timeMs = hasTime ? Date.parse(String(content.timestamp)) : Number.NaN;
    return Number.isNaN(timeMs) ? null : timeMs;
  } catch {
    // Whatever somebody sent here, it is shown without a time.
    return null;
  }
}

/** Events count for a webhook from the moment when the router knows it. */
async function untilRouted(posthorn: LocalPosthorn, ids: readonly string[], signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + ROUTING_DEADLINE_MS;
  while (!ids.every((id) => posthorn.knowsWebhook(id))) {
    if (performance.now() > deadline)
      throw new AppError('unavailable', `the webhooks do not count after ${ROUTING_DEADLINE_MS / 1000} s`);
    await pause(POLL_INTERVAL_MS, undefined, { signal });
  }
}
