import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { rowExists } from '../../src/transaction/lookup.ts';
import { defineTransactionListener } from '../../src/transaction/transaction-listener.ts';

const good = {
  topic: 'orders',
  tag: 'placed',
  lookup: rowExists(class {} as never, ({ transactionId }) => ({ transactionId })),
  execute: () => {},
};

describe('defineTransactionListener', () => {
  it('names a listener after its topic and tag, sends the input and no keys, unless told otherwise', () => {
    const listener = defineTransactionListener<{ id: string }>(good);
    expect(listener).toMatchObject({ name: 'orders:placed', topic: 'orders', tag: 'placed' });
    expect(listener.payload({ id: 'o1' })).toEqual({ id: 'o1' });
    expect(listener.keys({ id: 'o1' })).toEqual([]);
  });

  it('is frozen', () => {
    expect(Object.isFrozen(defineTransactionListener(good))).toBe(true);
  });

  it.each([
    ['topic', { topic: 'or ders' }, /topic .* got "or ders"/],
    ['topic', { topic: '' }, /topic .* got ""/],
    ['tag', { tag: 'a||b' }, /tag .* got "a\|\|b"/],
    ['tag', { tag: undefined }, /tag .* got undefined/],
    ['name', { name: 'place order' }, /name .* got "place order"/],
    ['lookup', { lookup: undefined }, /lookup must name how a check-back finds the decision/],
    ['execute', { execute: 'later' }, /execute must be a function/],
    ['field', { excute: () => {} }, /unknown field "excute"/],
  ])('refuses a wrong %s: %j', (_field, change, message) => {
    expect(() => defineTransactionListener({ ...good, ...change } as never)).toThrow(message);
    expect(() => defineTransactionListener({ ...good, ...change } as never)).toThrow(ConfigurationError);
  });
});
