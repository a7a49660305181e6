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
    const [message] = listener.messages;
    expect(listener).toMatchObject({ name: 'orders:placed', half: 'first' });
    expect(message).toMatchObject({ topic: 'orders', tag: 'placed', version: 1 });
    expect(message!.payload({ id: 'o1' }, undefined)).toEqual({ id: 'o1' });
    expect(message!.keys({ id: 'o1' }, undefined)).toEqual([]);
  });

  it('is frozen', () => {
    expect(Object.isFrozen(defineTransactionListener(good))).toBe(true);
  });

  it.each([
    ['topic', { topic: 'or ders' }, /topic .* got 'or ders'/],
    ['topic', { topic: '' }, /topic .* got ''/],
    ['tag', { tag: 'a||b' }, /tag .* got 'a\|\|b'/],
    ['tag', { tag: undefined }, /tag .* got undefined/],
    ['name', { name: 'place order' }, /name .* got 'place order'/],
    ['lookup', { lookup: undefined }, /lookup must name how a check-back finds the decision/],
    ['half', { half: 'last' }, /half must be one of first, overlapped, beforeCommit, got 'last'/],
    ['version', { version: 0 }, /version must be a whole number from 1, got 0/],
    ['messages', { topic: undefined, tag: undefined, messages: [] }, /unknown field|at least one message/],
    ['database', { database: 'a' }, /database must be a function/],
    ['schema', { schema: {} }, /schema must be a Standard Schema/],
    ['execute', { execute: 'later' }, /execute must be a function/],
    ['executeSql', { execute: undefined, executeSql: 'later' }, /executeSql must be a function/],
    ['executeSql', { executeSql: () => {} }, /executeSql must be left out when there is an execute/],
    ['compensate', { compensate: 'later' }, /compensate must be a function/],
    ['field', { excute: () => {} }, /unknown field "excute"/],
  ])('refuses a wrong %s: %j', (_field, change, message) => {
    expect(() => defineTransactionListener({ ...good, ...change } as never)).toThrow(message);
    expect(() => defineTransactionListener({ ...good, ...change } as never)).toThrow(ConfigurationError);
  });
});
