import { describe, expect, test } from 'vitest';
import { createGuard } from '../../../../src/processes/api/guard.ts';
import { problem, problemBody, tooMany } from '../../../../src/processes/api/problem.ts';

interface Body {
  readonly name: string;
  readonly inner?: { readonly count: number };
}

const guard = createGuard<Body>({
  type: 'object',
  required: ['name'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', format: 'text', maxLength: 5 },
    inner: { type: 'object', properties: { count: { type: 'integer', minimum: 1 } }, additionalProperties: false },
  },
});

describe('a guard', () => {
  test('hands over what has the form, untouched', () => {
    const body = { name: 'x', inner: { count: 2 } };

    expect(guard.check(body)).toEqual({ ok: true, value: body });
  });

  test.each([
    { value: {}, field: 'name', code: 'required' },
    { value: { name: 1 }, field: 'name', code: 'wrong_type' },
    { value: { name: '123456' }, field: 'name', code: 'too_long' },
    { value: { name: '\0' }, field: 'name', code: 'invalid_characters' },
    { value: { name: 'x', other: 1 }, field: 'other', code: 'unknown_field' },
    { value: { name: 'x', inner: { other: 1 } }, field: 'inner/other', code: 'unknown_field' },
    { value: { name: 'x', inner: { count: 0 } }, field: 'inner/count', code: 'invalid' },
    { value: JSON.parse('{"name":"x","__proto__":1}'), field: '__proto__', code: 'unknown_field' },
    { value: undefined, field: '', code: 'wrong_type' },
  ])('names field and code: $code at "$field"', ({ value, field, code }) => {
    expect(guard.check(value)).toEqual({ ok: false, errors: [{ field, code, message: expect.any(String) }] });
  });

  test('converts nothing', () => {
    expect(guard.check({ name: 'x', inner: { count: '2' } }).ok).toBe(false);
  });

  test('quotes long and broken names in a form that can be sent', () => {
    const checked = guard.check({ name: 'x', [`\ud800${'y'.repeat(5_000)}`]: 1 });

    expect(checked).toMatchObject({ ok: false, errors: [{ field: `\ufffd${'y'.repeat(99)}` }] });
  });
});

test('a refusal has the members of RFC 9457 and never less than a second to wait', () => {
  expect(problemBody(problem(404, 'not_found', 'Nothing here.'), 'r1')).toEqual({
    type: 'about:blank',
    title: 'Not Found',
    status: 404,
    detail: 'Nothing here.',
    instance: 'urn:uuid:r1',
    code: 'not_found',
    errors: [],
  });
  expect(tooMany('rate_limited', 'Slow down.', 1).headers).toEqual({ 'retry-after': '1' });
  expect(tooMany('rate_limited', 'Slow down.', 1_001).headers).toEqual({ 'retry-after': '2' });
});
