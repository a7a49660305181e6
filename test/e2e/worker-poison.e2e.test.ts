import { describe, expect, it } from 'vitest';
import { InvalidMessageError } from '../../src/errors.ts';
import { openPayments, order } from './support/payments.ts';

const PATIENCE = { timeout: 60_000, interval: 100 };

const POISON: readonly { name: string; body: object | string; properties?: Record<string, string>; reason: RegExp }[] = [
  { name: 'malformed JSON', body: '{"orderId":"o",', reason: /is not JSON$/ },
  { name: 'a body of another shape', body: { orderId: 7 }, reason: /refused by its schema at orderId, amountMinor$/ },
  {
    name: 'an unknown version',
    body: order('o'),
    properties: { 'checkback-version': '9' },
    reason: /version "9" is unknown here; known are 1$/,
  },
  {
    name: 'a version named __proto__',
    body: order('o'),
    properties: { 'checkback-version': '__proto__' },
    reason: /version "__proto__" is unknown/,
  },
  { name: 'a __proto__ key', body: '{"orderId":"o","amountMinor":1,"__proto__":{"admin":true}}', reason: /holds a key __proto__$/ },
  { name: 'nesting 10,000 deep', body: '['.repeat(10_000) + ']'.repeat(10_000), reason: /nests deeper than 64$/ },
  { name: 'no idempotency key', body: order(''), reason: /has no idempotency key/ },
];

describe('Poison', () => {
  it('is dead at its first delivery, each with its reason, while the orders around it are paid', async () => {
    await using payments = await openPayments();
    const dead = new Map<string, { reason: string; error: unknown; attempt: number }>();
    const names = new Map<string, string>();
    for (const [n, { name, body, properties }] of POISON.entries()) {
      await payments.send(order(`order-${n}`));
      names.set(await payments.send(body, properties), name);
    }
    await payments.send(order('last'));
    const worker = await payments.startHere({
      deadLetter: async ({ messageId, deliveryAttempt }, reason, error) => {
        dead.set(names.get(messageId)!, { reason, error, attempt: deliveryAttempt });
      },
    });
    const good = [...POISON.map((_, n) => `order-${n}`), 'last'];
    await expect.poll(() => worker.stats(), PATIENCE).toMatchObject({ acked: good.length, deadLettered: POISON.length, retried: 0 });
    expect([...dead.keys()].sort()).toEqual(POISON.map(({ name }) => name).sort());
    for (const { name, reason } of POISON) {
      expect(dead.get(name)).toMatchObject({ reason: expect.stringMatching(reason), attempt: 1 });
      expect(dead.get(name)?.error).toBeInstanceOf(InvalidMessageError);
    }
    expect(Object.fromEntries(payments.bank.effects)).toEqual(Object.fromEntries(good.map((id) => [id, 1])));
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});
