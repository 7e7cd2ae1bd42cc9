import { createHash } from 'node:crypto';
import { type Answer, type Arrival, type Receiver, startReceiver } from '../local/receiver.ts';

/** What the receiver did with a request. */
export type AnswerGiven = 'accepted' | 'refused' | 'reset' | 'hung';

/** One request that reached the receiver. */
export interface Request {
  /** `/<row>/<webhook>`, perhaps with more behind it. */
  readonly path: string;
  readonly eventId: string;
  readonly deliveryId: string;
  readonly attempt: number;
  /** `webhook-timestamp`, seconds. */
  readonly timestampSeconds: number;
  readonly atMs: number;
  readonly bodyHash: string;
  readonly verified: boolean;
  readonly answer: AnswerGiven;
}

/** How a path answers. */
export type AnswerRule = (arrival: Arrival) => Answer;

/** The receiver of a run and its ledger: every request, in the order of arrival, with the answer given. */
export class ReceiverLedger {
  readonly #requests = new Map<string, Request[]>();
  readonly #secrets = new Map<string, string[]>();
  readonly #rules = new Map<string, AnswerRule>();
  #receiver: Receiver | null = null;

  get port(): number {
    return this.#receiver?.port ?? 0;
  }

  async start(): Promise<void> {
    this.#receiver = await startReceiver({
      secrets: (path) => this.#secrets.get(webhookPathOf(path)) ?? [],
      answer: (arrival) => this.#take(arrival),
    });
  }

  async close(): Promise<void> {
    await this.#receiver?.close();
  }

  /** A further secret with which requests of this webhook may be signed. */
  expectSecret(webhookPath: string, secret: string): void {
    this.#secrets.set(webhookPath, [...(this.#secrets.get(webhookPath) ?? []), secret]);
  }

  /** Says how a webhook's path answers from now on; everything else answers 200. */
  setRule(webhookPath: string, rule: AnswerRule): void {
    this.#rules.set(webhookPath, rule);
  }

  /** The requests of a row, in the order of arrival. */
  requestsOf(row: string): readonly Request[] {
    return this.#requests.get(row) ?? [];
  }

  #take(arrival: Arrival): Answer {
    const answer = this.#rules.get(webhookPathOf(arrival.path))?.(arrival) ?? { kind: 'respond', status: 200 };
    const row = arrival.path.split('/')[1] ?? '';
    const requests = this.#requests.get(row) ?? [];
    this.#requests.set(row, requests);
    requests.push({
      path: arrival.path,
      eventId: arrival.webhookId ?? '',
      deliveryId: arrival.deliveryId ?? '',
      attempt: arrival.attempt ?? 0,
      timestampSeconds: Number(arrival.headers['webhook-timestamp']),
      atMs: epochMs(),
      bodyHash: hashOf(arrival.body),
      verified: arrival.verified === 'verified',
      answer: givenBy(answer),
    });
    return answer;
  }
}

/** `/<row>/<webhook>` of a path. */
export function webhookPathOf(path: string): string {
  return path.split('/').slice(0, 3).join('/');
}

export function hashOf(body: Buffer | string): string {
  return createHash('sha256').update(body).digest('base64url');
}

/** Epoch milliseconds with fractions. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now();
}

function givenBy(answer: Answer): AnswerGiven {
  switch (answer.kind) {
    case 'hang':
      return 'hung';
    case 'reset':
      return 'reset';
    case 'respond':
      return answer.status >= 200 && answer.status < 300 ? 'accepted' : 'refused';
  }
}

/** A number from 0 to 1 that an event has at a webhook, the same at every attempt. */
function shareOf({ webhookId, path }: Arrival): number {
  return createHash('sha256').update(`${path} ${webhookId}`).digest().readUInt16BE(0) / 65_536;
}

const AT_ONCE: AnswerRule = () => ({ kind: 'respond', status: 200 });

/** 15 % fail at the first attempt, 6 % are cut at the first attempt. */
const FLAKY: AnswerRule = (arrival) => {
  const share = shareOf(arrival);
  if (share < 0.15 && arrival.attempt === 1) return { kind: 'respond', status: 500 };
  if (share > 0.94 && arrival.attempt === 1) return { kind: 'reset' };
  return { kind: 'respond', status: 200 };
};

/** 9 % take two seconds. */
const SLOW: AnswerRule = (arrival) => ({
  kind: 'respond',
  status: 200,
  ...(shareOf(arrival) < 0.09 && { delayMs: 2_000 }),
});

const MIX = [AT_ONCE, FLAKY, SLOW] as const;

/**
 * How real receivers are. Of all deliveries 90 % are accepted at once, 5 % fail first, 3 % take two seconds and 2 % are
 * cut first; each kind has webhooks of its own, as in life.
 */
export function mixedRule(webhook: number): AnswerRule {
  return MIX[webhook % MIX.length] ?? AT_ONCE;
}
