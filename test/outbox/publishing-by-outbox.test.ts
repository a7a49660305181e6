import { beforeEach, describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { ConfigurationError, ForeignTransactionError, InvalidMessageError, LocalTransactionError } from '../../src/errors.ts';
import { rowExists, transactionMarker } from '../../src/transaction/lookup.ts';
import type { TransactionalPublisherOptions } from '../../src/transaction/publisher-options.ts';
import { commitWith, defineTransactionListener } from '../../src/transaction/transaction-listener.ts';
import type { TransactionalOutbox } from '../../src/transaction/transactional-outbox.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import { ScriptedBroker, ScriptedDatabase } from '../support/fake-transactions.ts';

interface Order {
  id: string;
}

let story: string[];
let database: ScriptedDatabase;
let written: (readonly OutgoingMessage[])[];
let outbox: TransactionalOutbox & { write: TransactionalOutbox['write'] };
let execute: () => Promise<'COMMIT' | 'ROLLBACK' | void>;

const placeOrder = defineTransactionListener<Order>({
  topic: 'orders',
  tag: 'placed',
  lookup: rowExists(class {} as never, ({ transactionId }) => ({ transactionId })),
  keys: (order) => [order.id],
  execute: async () => {
    story.push('execute');
    return execute();
  },
});
const start = (options: Partial<TransactionalPublisherOptions> = {}) =>
  TransactionalPublisher.start({ owner: 'shop', outbox, database, listeners: [placeOrder], inDoubtTimeoutMs: 300, ...options });

beforeEach(() => {
  story = [];
  written = [];
  database = new ScriptedDatabase(story);
  execute = async () => {};
  outbox = {
    lookup: rowExists(class {} as never, ({ transactionId }) => ({ transactionId, seq: 0 })),
    start: async () => {},
    write: async (_em, messages) => {
      story.push('write');
      written.push(messages);
    },
    committed: () => void story.push('relay woken'),
  };
});

describe('TransactionalPublisher with an outbox', () => {
  it('writes the messages as the last rows of the transaction, and wakes the relay after COMMIT', async () => {
    const publisher = await start();
    const { transactionId } = await publisher.publish(placeOrder, { id: 'o1' }, { correlationId: 'c-9' });
    expect(story).toEqual(['row opened', 'BEGIN', 'execute', 'write', 'COMMIT', 'fence closed', 'relay woken']);
    expect(written).toMatchObject([
      [
        {
          topic: 'orders',
          tag: 'placed',
          keys: ['o1'],
          properties: {
            'checkback-owner': 'shop',
            'checkback-listener': 'orders:placed',
            'checkback-tx': transactionId,
            'checkback-correlation-id': 'c-9',
            'checkback-lookup': 'outbox',
            'checkback-version': '1',
          },
        },
      ],
    ]);
  });

  it.each(['throws', 'declines'])('writes nothing when the listener %s', async (how) => {
    execute = async () => {
      if (how === 'throws') throw new Error('no stock');
      return 'ROLLBACK';
    };
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toBeInstanceOf(LocalTransactionError);
    expect(story).toEqual(['row opened', 'BEGIN', 'execute', 'ROLLBACK', 'fence closed']);
  });

  it('rolls the order back when its message cannot be written', async () => {
    outbox.write = async () => {
      throw new Error('disk full');
    };
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({
      code: 'CB_LOCAL_TRANSACTION',
      message: expect.stringContaining('disk full'),
    });
    expect(story).toEqual(['row opened', 'BEGIN', 'execute', 'ROLLBACK', 'fence closed']);
  });

  it('runs the whole transaction again when writing the message falls to a deadlock', async () => {
    const { write } = outbox;
    let deadlocks = 1;
    outbox.write = async (em, messages) => {
      if (deadlocks-- > 0) throw new Error('deadlock');
      await write(em, messages);
    };
    const publisher = await start();
    await publisher.publish(placeOrder, { id: 'o1' });
    expect(story).toEqual([
      'row opened',
      'BEGIN',
      'execute',
      'ROLLBACK',
      'BEGIN',
      'execute',
      'write',
      'COMMIT',
      'fence closed',
      'relay woken',
    ]);
    expect(written).toHaveLength(1);
  });

  it('kills a session that does not finish writing in its time', async () => {
    outbox.write = () => new Promise(() => {});
    const publisher = await start({ transactionTimeoutMs: 50 });
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toBeInstanceOf(LocalTransactionError);
    expect(story).toContain('KILL');
    expect(story).not.toContain('COMMIT');
  });

  it.each([
    ['COMMIT', { transactionId: expect.any(String) as string }],
    ['ROLLBACK', { code: 'CB_LOCAL_TRANSACTION', reason: 'refused' }],
    ['UNKNOWN', { code: 'CB_TRANSACTION_IN_DOUBT', acted: 'maybe' }],
  ] as const)('settles a COMMIT whose answer was lost by its rows in the outbox: %s', async (answer, expected) => {
    const asked: unknown[] = [];
    database.commit = async () => {
      throw new Error('connection lost');
    };
    database.check = async (lookup) => {
      asked.push(lookup);
      return answer;
    };
    const publisher = await start();
    const outcome = await publisher.publish(placeOrder, { id: 'o1' }).catch((error: unknown) => error);
    expect(outcome).toMatchObject(expected);
    expect(new Set(asked)).toEqual(new Set([outbox.lookup]));
    expect(story.includes('relay woken')).toBe(answer === 'COMMIT');
  });

  it('does not ask for the listener’s own row, whatever its look-up', async () => {
    database.proveRow = async () => {
      throw new Error('asked');
    };
    const marked = defineTransactionListener<Order>({ topic: 'orders', tag: 'marked', lookup: transactionMarker(), execute: () => {} });
    const publisher = await start({ listeners: [placeOrder, marked] });
    await publisher.publish(placeOrder, { id: 'o1' });
    await publisher.publish(marked, { id: 'o1' });
    expect(story.filter((step) => step.endsWith('opened'))).toEqual(['row opened', 'row opened']);
  });

  it('carries what execute produced, for listeners that say so', async () => {
    const numbered = defineTransactionListener<Order, number>({
      topic: 'orders',
      tag: 'numbered',
      lookup: placeOrder.lookup,
      half: 'beforeCommit',
      payload: (_order, produced) => ({ produced }),
      execute: () => commitWith(7),
    });
    const publisher = await start({ listeners: [numbered] });
    await publisher.publish(numbered, { id: 'o1' });
    expect(JSON.parse(Buffer.from(written[0]![0]!.body).toString())).toEqual({ produced: 7 });
  });

  it('refuses a message nobody could carry, before BEGIN where it is known, with the rows rolled back otherwise', async () => {
    const late = defineTransactionListener<Order, number>({
      topic: 'orders',
      tag: 'late',
      lookup: placeOrder.lookup,
      half: 'beforeCommit',
      keys: () => ['two words'],
      execute: () => commitWith(7),
    });
    const publisher = await start({ listeners: [placeOrder, late] });
    await expect(publisher.publish(placeOrder, { id: 'two words' })).rejects.toBeInstanceOf(InvalidMessageError);
    expect(story).toEqual([]);
    await expect(publisher.publish(late, { id: 'o1' })).rejects.toBeInstanceOf(InvalidMessageError);
    expect(story).toEqual(['row opened', 'BEGIN', 'ROLLBACK', 'fence closed']);
  });

  it('writes all messages of a listener at once, in their order', async () => {
    const several = defineTransactionListener<Order>({
      name: 'several',
      lookup: placeOrder.lookup,
      messages: [
        { topic: 'orders', tag: 'one' },
        { topic: 'stock', tag: 'two' },
      ],
      execute: () => {},
    });
    const publisher = await start({ listeners: [several] });
    await publisher.publish(several, { id: 'o1' });
    expect(written.map((messages) => messages.map(({ tag }) => tag))).toEqual([['one', 'two']]);
  });

  it('refuses a transaction somebody else opened, and lets what runs finish when it closes', async () => {
    const gate = Promise.withResolvers<void>();
    execute = () => gate.promise;
    const publisher = await start();
    const order = publisher.publish(placeOrder, { id: 'o1' });
    database.inside = true;
    await expect(publisher.publish(placeOrder, { id: 'o2' })).rejects.toBeInstanceOf(ForeignTransactionError);
    const closed = publisher.close();
    gate.resolve();
    await order;
    await closed;
    expect(story).toContain('COMMIT');
  });

  it('writes messages that a publisher of half messages answers UNKNOWN about, never ROLLBACK', async () => {
    const byOutbox = await start();
    await byOutbox.publish(placeOrder, { id: 'o1' });
    const broker = new ScriptedBroker(story);
    database.answers.push('ROLLBACK');
    const byHalves = await TransactionalPublisher.start({ owner: 'shop', broker, database, listeners: [placeOrder] });
    expect(await broker.ask(written[0]![0]!)).toBe('UNKNOWN');
    await byHalves.close();
  });

  it('refuses to start with a broker beside it, with neither, and with an outbox that cannot start', async () => {
    await expect(start({ broker: new ScriptedBroker(story) })).rejects.toThrow('options "broker" and "outbox" are different strategies');
    await expect(TransactionalPublisher.start({ owner: 'shop', database, listeners: [placeOrder] })).rejects.toThrow(
      'option "broker" is missing',
    );
    outbox.start = async () => {
      throw new ConfigurationError('no table');
    };
    await expect(start()).rejects.toThrow('no table');
  });
});
