import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { verify } from '../../src/posthorn.ts';

const SECRET = `whsec_${'A2B3'.repeat(13)}`;
const BODY = '{"id":"evt-1","type":"case.opened","timestamp":"2026-01-19T10:30:00Z","data":{"reference":"CASE-1"}}';

function signed(body: string, secret = SECRET): Record<string, string> {
  const now = new Date();
  return {
    'webhook-id': 'evt-1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign('evt-1', now, body),
  };
}

test('a verified delivery is its body, typed by its event type', () => {
  const event = verify(SECRET, Buffer.from(BODY), signed(BODY));
  expect(event.type === 'case.opened' && event.data.reference).toBe('CASE-1');
});

test('another secret or another body is refused', () => {
  const other = `whsec_${'Z7Y6'.repeat(13)}`;
  expect(() => verify(SECRET, BODY, signed(BODY, other))).toThrow('No matching signature found');
  expect(() => verify(SECRET, `${BODY} `, signed(BODY))).toThrow('No matching signature found');
});
