import { describe, expect, it } from 'vitest';
import { InvalidMessageError } from '../../src/errors.ts';
import { defineExternalCall, type ExternalCallDefinition } from '../../src/gateway/external-call.ts';
import { resolveOrigin } from '../../src/gateway/origin.ts';
import { prepareRequest } from '../../src/gateway/prepare-request.ts';

const origin = resolveOrigin('bank', { url: 'https://bank.example', headers: { authorization: 'Bearer canary' } });
const ids = { idempotencyKey: 'key-1', correlationId: 'c-1' };

const prepare = (definition: Partial<ExternalCallDefinition<string, unknown>>, input = 'x', overrides: Partial<typeof ids> = {}) =>
  prepareRequest(
    defineExternalCall<string>({ name: 'pay', origin: 'bank', method: 'POST', path: '/payments', ...definition }),
    origin,
    input,
    { ...ids, ...overrides },
  );

describe('prepareRequest', () => {
  it('adds what identifies the call and what the origin is configured with', () => {
    const { headers, body } = prepare({ body: (id) => ({ id, amount: 1 }), headers: () => ({ 'X-Branch': '7' }) });
    expect(Object.fromEntries(headers)).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'checkback',
      authorization: 'Bearer canary',
      'x-branch': '7',
      'accept-encoding': 'identity',
      'idempotency-key': 'key-1',
      'x-correlation-id': 'c-1',
      'content-length': '21',
    });
    expect(body?.toString()).toBe('{"id":"x","amount":1}');
  });

  it.each([
    '',
    'payments',
    '//evil.example/x',
    'https://evil.example/',
    '/\\evil.example',
    '/a b',
    '/a\r\nhost: evil',
    '/a\nx',
    '/a\0',
    '/é',
    '/a#b',
    '/payments/../admin',
    '/payments/%2e%2E/admin',
    '/..',
    '/./x',
    `/${'a'.repeat(2048)}`,
  ])('refuses the path %j, without repeating it', (path) => {
    const attempt = (): unknown => prepare({ path: () => path });
    expect(attempt).toThrow(InvalidMessageError);
    expect(attempt).not.toThrow(/evil|admin/);
  });

  it.each(['/', '/payments/order-1', '/a//b', '/a/..b?x=../y&q=%2e%2e/', '/a?next=https://x'])('takes the path %j', (path) => {
    expect(prepare({ path }).path).toBe(path);
    expect(new URL(path, origin.url).origin).toBe(origin.url);
  });

  it.each([
    [{ 'x-a': 'canary\r\nx-b: 1' }],
    [{ 'x-a': 'canary\n' }],
    [{ 'x-a': 'canary\0' }],
    [{ 'x-a': 'canary€' }],
    [{ 'x a': 'canary' }],
    [{ 'x-a:': 'canary' }],
    [{ '': 'canary' }],
    [{ 'x-a': 5 as unknown as string }],
    [{ Host: 'canary' }],
    [{ 'Content-Length': '0' }],
    [{ 'transfer-encoding': 'canary' }],
    [{ 'Idempotency-Key': 'canary' }],
    [{ connection: 'canary' }],
  ])('refuses the headers %j, without repeating a value', (headers) => {
    const attempt = (): unknown => prepare({ headers: () => headers });
    expect(attempt).toThrow(InvalidMessageError);
    expect(attempt).not.toThrow(/canary/);
  });

  it.each(['', ' ', 'a b', 'a\n', 'é', 'x'.repeat(129)])('refuses the idempotency key %j', (idempotencyKey) => {
    expect(() => prepare({}, 'x', { idempotencyKey })).toThrow(InvalidMessageError);
  });

  it.each(['a\r\nb', '\0', 'x'.repeat(129)])('refuses the correlation id %j', (correlationId) => {
    expect(() => prepare({}, 'x', { correlationId })).toThrow(InvalidMessageError);
  });

  it('refuses a body that is not JSON, or too long', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const body of [circular, 1n, Symbol('x'), 'x'.repeat(4 * 1024 * 1024)])
      expect(() => prepare({ body: () => body })).toThrow(InvalidMessageError);
  });

  it('sends no body where there is none', () => {
    const { body, headers } = prepare({ method: 'DELETE' });
    expect(body).toBeUndefined();
    expect(headers.has('content-length')).toBe(false);
  });
});
