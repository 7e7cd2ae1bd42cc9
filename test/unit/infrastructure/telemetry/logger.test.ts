import { describe, expect, test } from 'vitest';
import { createLogger } from '../../../../src/infrastructure/telemetry/logger.ts';

const CANARY = 'canary-8c1f';

function logInto(): { log: ReturnType<typeof createLogger>; text: () => string } {
  const lines: string[] = [];
  return { log: createLogger('debug', { write: (line) => void lines.push(line) }), text: () => lines.join('') };
}

describe('a log line', () => {
  test.each([
    ['a secret of its own', { secret: CANARY }],
    ['a key in an object', { tenant: { id: 't', apiKey: CANARY } }],
    ['a header in a list of objects', { requests: [{ headers: { authorization: CANARY } }] }],
    ['a secret far down', { a: { b: { c: { d: { e: { f: { g: { h: CANARY } } } } } } } }],
    ['a secret that is an object', { secrets: { first: CANARY } }],
    [
      'a secret among the details of an error',
      { err: Object.assign(new Error('failed'), { details: { password: CANARY } }) },
    ],
    ['a secret in the cause of an error', { err: Object.assign(new Error('failed'), { sasl: { password: CANARY } }) }],
  ])('shows nothing of %s', (_, fields) => {
    const { log, text } = logInto();
    log.warn(fields, 'test.line');
    expect(text()).toContain('test.line');
    expect(text()).not.toContain(CANARY);
  });

  test('keeps everything else, and the objects that it was given as they are', () => {
    const { log, text } = logInto();
    const fields = { deliveryId: 'd-1', status: 200, code: null, nested: { secret: CANARY, kept: true } };
    log.info(fields, 'test.line');
    expect(JSON.parse(text())).toMatchObject({
      level: 30,
      msg: 'test.line',
      deliveryId: 'd-1',
      status: 200,
      code: null,
      nested: { secret: '[secret]', kept: true },
    });
    expect(fields.nested.secret).toBe(CANARY);
  });

  test('tells the type, message and stack of an error', () => {
    const { log, text } = logInto();
    log.error({ err: new TypeError('out of range') }, 'test.failed');
    expect(JSON.parse(text()).err).toMatchObject({
      type: 'TypeError',
      message: 'out of range',
      stack: expect.any(String),
    });
  });
});
