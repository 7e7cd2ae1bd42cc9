import { setTimeout as pause } from 'node:timers/promises';
import { type Demo, startDemo } from '../local/demo.ts';
import type { DemoArrival } from '../local/demo-ledger.ts';
import type { LocalPosthorn } from '../local/local-posthorn.ts';
import { flawLines, totalsLine } from './demo/rows.ts';
import { type DemoScreen, openScreen } from './demo/screen.ts';
import type { StopSignals } from './stop-signals.ts';

/** How long the first round may take with `--once`: the retry that it shows takes 5 s, a busy machine the rest. */
const ROUND_DEADLINE_MS = 60_000;

/**
 * Shows the main job: webhooks at a local receiver, one event of each type, then more until somebody stops it. With `once` it
 * ends after the first round; the exit code is 0 only if exactly the expected deliveries arrived and every signature verified.
 */
export async function runDemo(posthorn: LocalPosthorn, options: { once: boolean; stop: StopSignals }): Promise<number> {
  const { once, stop } = options;
  const progress = (line: string) => console.error(line);
  const outputClosed = untilOutputCloses();
  let screen: DemoScreen | null = null;
  const onArrival = (arrival: DemoArrival) => screen?.show(arrival);
  const demo = await startDemo(posthorn, { onArrival, progress, signal: stop.signal });
  try {
    const footer = () => totalsLine(demo.ledger.totals());
    screen = openScreen({ output: process.stdout, header: headerFor(posthorn, demo), footer });
    const ending = await (once ? showOneRound : showUntilStopped)(demo, {
      stop,
      outputClosed,
      failure: posthorn.failure,
    });
    screen.close();
    return report(demo, { once, ending });
  } finally {
    screen?.close();
    await demo.close();
  }
}

/** Why the showing ended. */
type Ending =
  | { readonly kind: 'settled' | 'stopped' | 'too_late' }
  | { readonly kind: 'failed'; readonly error: Error };

interface Ends {
  readonly stop: StopSignals;
  readonly outputClosed: Promise<void>;
  readonly failure: Promise<Error>;
}

async function showOneRound({ producer, ledger }: Demo, { stop, failure }: Ends): Promise<Ending> {
  const over = new AbortController();
  const round = producer.publishRound().then(() => ledger.untilSettled());
  const deadline = pause(ROUND_DEADLINE_MS, undefined, { signal: over.signal });
  try {
    return await Promise.race([
      round.then(settled, failed),
      stop.requested.then(stopped),
      failure.then(failed),
      deadline.then(tooLate, tooLate),
    ]);
  } finally {
    over.abort();
  }
}

async function showUntilStopped({ producer }: Demo, { stop, outputClosed, failure }: Ends): Promise<Ending> {
  const over = new AbortController();
  const publishing = producer.publishRound().then(() => producer.publishSteadily(over.signal));
  try {
    return await Promise.race([
      publishing.then(stopped, failed),
      stop.requested.then(stopped),
      failure.then(failed),
      // Whoever read our output is gone: `make demo | head` ends as Ctrl-C does.
      outputClosed.then(stopped),
    ]);
  } finally {
    over.abort();
    // Its failure, if any, has been told already.
    await publishing.catch(() => undefined);
  }
}

const settled = (): Ending => ({ kind: 'settled' });
const stopped = (): Ending => ({ kind: 'stopped' });
const tooLate = (): Ending => ({ kind: 'too_late' });
const failed = (reason: unknown): Ending => ({
  kind: 'failed',
  error: reason instanceof Error ? reason : new Error(String(reason)),
});

/** Listens from now on: without a listener, whoever closes our output would end us at once. */
function untilOutputCloses(): Promise<void> {
  return new Promise((resolve) => process.stdout.on('error', () => resolve()));
}

function report({ ledger }: Demo, { once, ending }: { once: boolean; ending: Ending }): number {
  console.log(`\n${totalsLine(ledger.totals())}`);
  switch (ending.kind) {
    case 'failed':
      console.error(ending.error.message);
      return 1;
    case 'stopped':
      if (once) console.error('Stopped before everything had arrived.');
      return 0;
    case 'too_late':
      console.error(`Not everything arrived within ${ROUND_DEADLINE_MS / 1000} s.`);
      break;
    case 'settled':
      break;
  }
  if (!once) return 0;
  if (ledger.isFlawless()) {
    console.log('Every event arrived at every webhook that asked for it, and every signature verified.');
    return 0;
  }
  for (const line of flawLines(ledger)) console.error(`  ${line}`);
  return 1;
}

function headerFor({ ready }: LocalPosthorn, { receiverUrl, webhooks }: Demo): readonly string[] {
  const { apiUrl, apiKey, tenantId } = ready;
  const api = `${apiUrl}/api/v1/webhooks/`;
  const key = `-H 'X-API-Key: ${apiKey}'`;
  const post = (url: string, body: object) =>
    `  curl ${key} -H 'Content-Type: application/json' -d '${JSON.stringify(body)}' ${url}`;
  const [first] = webhooks;
  return [
    `Posthorn is up with ${webhooks.length} webhooks at ${receiverUrl}. Ctrl-C ends it.`,
    `  API       ${apiUrl}   (documentation: ${apiUrl}/docs)`,
    `  API key   ${apiKey}   (tenant ${tenantId})`,
    'Try in another terminal: list the webhooks, create one, test a URL',
    `  curl ${key} ${api}`,
    post(api, { event_type: 'case.resolved', webhook_url: `${receiverUrl}/yours` }),
    post(`${api}test/`, { webhook_url: `${receiverUrl}${first?.path ?? '/'}` }),
  ];
}
