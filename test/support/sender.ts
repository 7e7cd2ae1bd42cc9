import type { SendResult, WebhookRequest } from '../../src/domain/send-result.ts';
import {
  createWebhookSender,
  type WebhookSender,
  type WebhookSenderOptions,
} from '../../src/infrastructure/http/webhook-sender.ts';
import { LOOPBACK_HTTP_POLICY } from './receiver.ts';

/** A sender that may reach loopback over plain HTTP. */
export function createTestSender(options: Partial<WebhookSenderOptions> = {}): WebhookSender {
  return createWebhookSender({ policy: LOOPBACK_HTTP_POLICY, ...options });
}

/** A small request, to be overridden where a test cares. */
export function requestTo(url: string, overrides: Partial<WebhookRequest> = {}): WebhookRequest {
  const headers = { 'content-type': 'application/json', 'webhook-id': 'evt_1' };
  return { url, headers, body: Buffer.from('{"type":"case.created"}'), timeoutMs: 5_000, ...overrides };
}

/** What matters of a result, in one line: `200`, `200 truncated` or the failure code. */
export function summaryOf(result: SendResult): string {
  if (result.kind === 'failed') return result.code;
  return result.truncated ? `${result.status} truncated` : String(result.status);
}
