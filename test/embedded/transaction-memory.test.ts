import { afterEach, describe, expect, it } from 'vitest';
import { TransactionMemory } from '../../src/embedded/transaction-memory.ts';
import { halfMessage } from './support/messages.ts';
import { pureBroker } from './support/pure-broker.ts';

const half = (offset: number) => ({ offset, message: halfMessage({ messageId: 'm' }), round: 0, storedAt: 0 });

describe('TransactionMemory', () => {
  let world: ReturnType<typeof pureBroker> | undefined;
  afterEach(() => world?.close());

  it('gives the newest record, each once', () => {
    const memory = new TransactionMemory();
    memory.remember(half(1), 10);
    memory.remember(half(2), 10);
    expect([memory.take('t', 'm', 0)?.offset, memory.take('t', 'm', 0)?.offset, memory.take('t', 'm', 0)]).toEqual([2, 1, undefined]);
  });

  it('knows a half until it expires, and under its own topic only', () => {
    const memory = new TransactionMemory();
    memory.remember(half(1), 10);
    expect(memory.take('other', 'm', 0)).toBeUndefined();
    expect(memory.take('t', 'm', 11)).toBeUndefined();
    memory.remember(half(1), 10);
    expect(memory.take('t', 'm', 10)?.offset).toBe(1);
  });

  it('keeps the newest fifteen records of a transaction', () => {
    const memory = new TransactionMemory();
    for (let offset = 1; offset <= 20; offset += 1) memory.remember(half(offset), 10);
    const offsets = Array.from({ length: 16 }, () => memory.take('t', 'm', 0)?.offset);
    expect(offsets.slice(0, 15)).toEqual(Array.from({ length: 15 }, (_, index) => 20 - index));
    expect(offsets[15]).toBeUndefined();
  });

  it('lets go of halves nobody ends', async () => {
    world = pureBroker();
    const { broker, clock } = world;
    broker.createTopic('t', 'TRANSACTION');
    broker.accept(halfMessage({ bornAt: clock.now() }));
    expect(broker.transactions.memory.size).toBe(1);
    await clock.advance(60_000);
    expect(broker.transactions.memory.size).toBe(0);
  });
});
