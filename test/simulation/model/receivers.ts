import type { SendResult, WebhookRequest } from '../../../src/domain/send-result.ts';
import type { Behaviour, ScenarioWebhook } from '../scenario.ts';
import type { Client, Cluster } from './cluster.ts';

/** One request at its receiver. */
interface Call {
  readonly deliveryId: string;
  isAccepted: boolean;
  hasEnded: boolean;
  /** Told once, with the answer or with the failure to get one. */
  readonly end: (result: SendResult) => void;
}

export interface ReceiverObserver {
  accepted(deliveryId: string): void;
  /** The sender was told of a failure although the receiver had accepted, or accepted afterwards. */
  answerLost(deliveryId: string): void;
}

const TIMINGS = { dnsUs: null, connectUs: null, tlsUs: null, firstByteUs: null, totalUs: 1_000 };

/** The receivers of all webhooks, and the network to them. */
export class Receivers {
  readonly #cluster: Cluster;
  readonly #observer: ReceiverObserver;
  readonly #webhooks: ReadonlyMap<string, ScenarioWebhook>;
  readonly #calls = new Map<Client, Set<Call>>();

  constructor(cluster: Cluster, observer: ReceiverObserver) {
    this.#cluster = cluster;
    this.#observer = observer;
    this.#webhooks = new Map(cluster.scenario.webhooks.map((webhook) => [webhook.id, webhook]));
  }

  /** Sends one request; resolves always, unless the client dies. */
  send(client: Client, { url, headers, timeoutMs }: WebhookRequest): Promise<SendResult> {
    client.reach('sending');
    if (!client.isAlive) return new Promise(() => {});
    const { time } = this.#cluster;
    const { promise, resolve } = Promise.withResolvers<SendResult>();
    const call: Call = {
      deliveryId: headers['posthorn-delivery'] ?? '',
      isAccepted: false,
      hasEnded: false,
      end: (result) => {
        if (call.hasEnded || !client.isAlive) return;
        call.hasEnded = true;
        this.#callsOf(client).delete(call);
        if (call.isAccepted && result.kind === 'failed') this.#observer.answerLost(call.deliveryId);
        client.reach('answered');
        if (client.isAlive) resolve(result);
      },
    };
    this.#callsOf(client).add(call);
    time.schedule(timeoutMs, () => call.end(failure('timeout')), client);
    const webhook = this.#webhooks.get(new URL(url).pathname.slice(1));
    if (webhook === undefined) this.#cluster.violate(`a request went to ${url}, which is no webhook's`);
    else time.schedule(client.random.between(1, 30), () => this.#receive(webhook, call, client), null);
    return promise;
  }

  /** The sender cuts everything that runs. */
  abort(client: Client): void {
    for (const call of this.#callsOf(client)) call.end(failure('connection_reset'));
  }

  #callsOf(client: Client): Set<Call> {
    const calls = this.#calls.get(client) ?? new Set<Call>();
    this.#calls.set(client, calls);
    return calls;
  }

  #receive(webhook: ScenarioWebhook, call: Call, client: Client): void {
    const { time } = this.#cluster;
    const { random } = client;
    const behaviour = behaviourNow(webhook, time.elapsedMs, client);
    if (behaviour === 'hang') return;
    this.#cluster.story(`${webhook.id} does "${behaviour}"`);
    const workMs = behaviour === 'slow' ? random.between(1_050, 6_000) : random.between(1, 80);
    time.schedule(workMs, () => this.#answer(webhook, behaviour, { call, client }), null);
  }

  #answer(webhook: ScenarioWebhook, behaviour: Behaviour, { call, client }: { call: Call; client: Client }): void {
    if (behaviour === 'accept' || behaviour === 'slow' || behaviour === 'lost') {
      call.isAccepted = true;
      this.#observer.accepted(call.deliveryId);
      if (call.hasEnded) this.#observer.answerLost(call.deliveryId);
    }
    const result = resultOf(webhook, behaviour);
    this.#cluster.time.schedule(client.random.between(1, 30), () => call.end(result), client);
  }
}

function behaviourNow({ phases }: ScenarioWebhook, elapsedMs: number, { random }: Client): Behaviour {
  const phase = phases.find(({ untilMs }) => elapsedMs < untilMs) ?? phases.at(-1);
  return random.pick(phase?.behaviours ?? ['accept']);
}

function resultOf({ retryAfterSeconds }: ScenarioWebhook, behaviour: Behaviour): SendResult {
  switch (behaviour) {
    case 'accept':
    case 'slow':
      return response(200);
    case 'throttle':
      return response(429, retryAfterSeconds === 0 ? {} : { 'retry-after': String(retryAfterSeconds) });
    case 'gone':
      return response(410);
    case 'fail':
    case 'hang':
      return response(500);
    case 'lost':
      return failure('connection_reset');
  }
}

function response(status: number, headers: Record<string, string> = {}): SendResult {
  return { kind: 'responded', status, headers, body: Buffer.alloc(0), truncated: false, timings: TIMINGS };
}

function failure(code: 'timeout' | 'connection_reset'): SendResult {
  return { kind: 'failed', code, message: code, detail: code, timings: TIMINGS };
}
