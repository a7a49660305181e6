import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  ClosedError,
  ConfigurationError,
  DatabaseUnavailableError,
  ForeignTransactionError,
  HalfMessageError,
  InvalidMessageError,
  LocalTransactionError,
  TransactionInDoubtError,
} from '../../src/errors.ts';
import { rowExists, transactionMarker } from '../../src/transaction/lookup.ts';
import { commitWith, defineTransactionListener } from '../../src/transaction/transaction-listener.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import type { TransactionalPublisherOptions } from '../../src/transaction/publisher-options.ts';
import { ScriptedBroker, ScriptedDatabase } from '../support/fake-transactions.ts';

interface Order {
  id: string;
}

let story: string[];
let broker: ScriptedBroker;
let database: ScriptedDatabase;
let execute: (order: Order) => Promise<'COMMIT' | 'ROLLBACK' | void>;

const lookup = rowExists(class {} as never, ({ transactionId }) => ({ transactionId }));
const placeOrder = defineTransactionListener<Order>({
  topic: 'orders',
  tag: 'placed',
  lookup,
  schema: z.object({ id: z.string().min(1) }),
  keys: (order) => [order.id],
  execute: async (_em, order) => {
    story.push('execute');
    return execute(order);
  },
});
const start = (options: Partial<TransactionalPublisherOptions> = {}) =>
  TransactionalPublisher.start({ owner: 'shop', broker, database, listeners: [placeOrder], inDoubtTimeoutMs: 300, ...options });

/** ENDs leave in the background; closing waits for them. */
const storyOf = async (publisher: TransactionalPublisher): Promise<string[]> => {
  await publisher.close();
  return story.filter((step) => step !== 'broker closed');
};

beforeEach(() => {
  story = [];
  broker = new ScriptedBroker(story);
  database = new ScriptedDatabase(story);
  execute = async () => {};
});

describe('TransactionalPublisher.publish', () => {
  it('opens the fence before the half message leaves, commits after it is stored, and sends END last', async () => {
    const publisher = await start();
    const receipt = await publisher.publish(placeOrder, { id: 'o1' });
    expect(receipt.transactionId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(await storyOf(publisher)).toEqual(['session-lock opened', 'half', 'BEGIN', 'execute', 'COMMIT', 'fence closed', 'END COMMIT']);
  });

  it('resolves before END is answered', async () => {
    const gate = Promise.withResolvers<void>();
    broker.endGate = gate.promise;
    const publisher = await start();
    await publisher.publish(placeOrder, { id: 'o1' });
    expect(story).not.toContain('END COMMIT');
    gate.resolve();
    expect(await storyOf(publisher)).toContain('END COMMIT');
  });

  it('is not troubled by an END that fails, and does not repeat it', async () => {
    broker.failEnd = true;
    const publisher = await start();
    await publisher.publish(placeOrder, { id: 'o1' });
    expect((await storyOf(publisher)).filter((step) => step.startsWith('END'))).toEqual(['END COMMIT']);
  });

  it('carries owner, listener, transaction id and correlation id', async () => {
    const publisher = await start();
    const { transactionId } = await publisher.publish(placeOrder, { id: 'o1' }, { correlationId: 'c-9' });
    expect(broker.halves[0]).toMatchObject({
      keys: ['o1'],
      properties: {
        'checkback-owner': 'shop',
        'checkback-listener': 'orders:placed',
        'checkback-tx': transactionId,
        'checkback-correlation-id': 'c-9',
      },
    });
    expect(JSON.parse(Buffer.from(broker.halves[0]!.body).toString())).toEqual({ id: 'o1' });
  });

  it('rolls both back when the listener throws, and gives its error as the cause', async () => {
    const fault = new Error('no stock');
    execute = async () => {
      throw fault;
    };
    const publisher = await start();
    const error = await publisher.publish(placeOrder, { id: 'o1' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(LocalTransactionError);
    expect(error).toMatchObject({ cause: fault, reason: 'threw' });
    expect(await storyOf(publisher)).toEqual([
      'session-lock opened',
      'half',
      'BEGIN',
      'execute',
      'ROLLBACK',
      'fence closed',
      'END ROLLBACK',
    ]);
  });

  it('rolls both back when the listener returns ROLLBACK', async () => {
    execute = async () => 'ROLLBACK';
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({ code: 'CB_LOCAL_TRANSACTION', reason: 'declined' });
    expect(await storyOf(publisher)).toEqual([
      'session-lock opened',
      'half',
      'BEGIN',
      'execute',
      'ROLLBACK',
      'fence closed',
      'END ROLLBACK',
    ]);
  });

  it('takes a result it does not know for a mistake, never for COMMIT', async () => {
    execute = async () => 'commit' as never;
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toThrow(
      /must return "COMMIT", "ROLLBACK", commitWith(.*) or nothing, got 'commit'/,
    );
    expect(await storyOf(publisher)).not.toContain('COMMIT');
  });

  it('kills a local transaction that overruns', async () => {
    execute = () => new Promise(() => {});
    const publisher = await start({ transactionTimeoutMs: 20 });
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toThrow(/overran its 20 ms/);
    expect(await storyOf(publisher)).toEqual([
      'session-lock opened',
      'half',
      'BEGIN',
      'execute',
      'KILL',
      'ROLLBACK',
      'fence closed',
      'END ROLLBACK',
    ]);
  });

  it('begins no local transaction when the half message is not confirmed', async () => {
    broker.failHalf = true;
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toBeInstanceOf(HalfMessageError);
    expect(await storyOf(publisher)).toEqual(['session-lock opened', 'half', 'fence closed']);
  });

  it('sends no half message without a fenced connection', async () => {
    database.unavailable = new DatabaseUnavailableError('refused');
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toBeInstanceOf(DatabaseUnavailableError);
    expect(await storyOf(publisher)).toEqual([]);
  });
});

describe('A COMMIT whose answer is lost', () => {
  beforeEach(() => {
    database.commit = async () => {
      throw new Error('connection lost');
    };
  });

  it('is a success when the row is found, looked up after the fence is closed', async () => {
    database.answers.push('UNKNOWN', 'COMMIT');
    const publisher = await start();
    await publisher.publish(placeOrder, { id: 'o1' });
    expect(database.checks).toBe(2);
    expect(await storyOf(publisher)).toEqual([
      'session-lock opened',
      'half',
      'BEGIN',
      'execute',
      'COMMIT',
      'KILL',
      'fence closed',
      'END COMMIT',
    ]);
  });

  it('is a rollback when the row is certainly absent', async () => {
    database.answers.push(new Error('still down'), 'ROLLBACK');
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({ code: 'CB_LOCAL_TRANSACTION', reason: 'refused' });
    expect((await storyOf(publisher)).at(-1)).toBe('END ROLLBACK');
  });

  it('is said to be in doubt, and no END is sent, when nobody can tell in time', async () => {
    database.answers.push(new Error('down'));
    const publisher = await start();
    const error = await publisher.publish(placeOrder, { id: 'o1' }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TransactionInDoubtError);
    expect(error).toMatchObject({ acted: 'maybe', retryable: false, transactionId: broker.halves[0]!.properties['checkback-tx'] });
    expect((await storyOf(publisher)).join()).not.toContain('END');
  });

  it('is never an occasion to run the transaction again', async () => {
    database.commit = async () => {
      throw new Error('deadlock');
    };
    database.answers.push('ROLLBACK');
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({ reason: 'refused' });
    expect((await storyOf(publisher)).filter((step) => step === 'BEGIN')).toHaveLength(1);
  });
});

describe('A local transaction that cannot commit', () => {
  it('is a rollback without any look-up when its flush fails', async () => {
    database.flush = async () => {
      throw new Error('duplicate key');
    };
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({
      reason: 'threw',
      message: expect.stringContaining('duplicate key'),
    });
    expect(database.checks).toBe(0);
    expect((await storyOf(publisher)).slice(-3)).toEqual(['ROLLBACK', 'fence closed', 'END ROLLBACK']);
  });

  it('is rolled back when it wrote no row that its look-up would find', async () => {
    database.proveRow = async () => {
      throw new LocalTransactionError('no such row', { reason: 'threw' });
    };
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toThrow('no such row');
    expect(await storyOf(publisher)).not.toContain('COMMIT');
  });

  it('is a rollback that says so when its session dies under the last question before COMMIT', async () => {
    database.proveRow = async () => {
      throw new Error('Connection lost');
    };
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({ code: 'CB_LOCAL_TRANSACTION', reason: 'threw' });
    expect((await storyOf(publisher)).slice(-3)).toEqual(['ROLLBACK', 'fence closed', 'END ROLLBACK']);
  });

  it('is run again under the same half message after a deadlock, a bounded number of times', async () => {
    let runs = 0;
    execute = async () => {
      if (++runs < 3) throw new Error('deadlock');
    };
    const publisher = await start();
    await publisher.publish(placeOrder, { id: 'o1' });
    expect(story.filter((step) => ['half', 'BEGIN', 'ROLLBACK', 'COMMIT'].includes(step))).toEqual([
      'half',
      'BEGIN',
      'ROLLBACK',
      'BEGIN',
      'ROLLBACK',
      'BEGIN',
      'COMMIT',
    ]);
    execute = async () => {
      throw new Error('deadlock');
    };
    await expect(publisher.publish(placeOrder, { id: 'o2' })).rejects.toMatchObject({ code: 'CB_LOCAL_TRANSACTION' });
    expect(story.filter((step) => step === 'BEGIN')).toHaveLength(6);
    await publisher.close();
  });
});

describe('When the half message leaves', () => {
  const listenerWith = (half: 'overlapped' | 'beforeCommit') =>
    defineTransactionListener<Order, { no: number }>({
      topic: 'orders',
      tag: half,
      lookup,
      half,
      payload: (order, produced) => ({ ...order, no: produced?.no }),
      execute: async (_em, order) => {
        story.push('execute');
        const decision = await execute(order);
        return half === 'beforeCommit' && decision === undefined ? commitWith({ no: 7 }) : decision;
      },
    });

  it('overlapped: with the fence open, beside BEGIN and execute, both before COMMIT', async () => {
    const listener = listenerWith('overlapped');
    const gate = Promise.withResolvers<void>();
    execute = () => gate.promise;
    broker.beforeHalf = async () => {
      await expect.poll(() => story).toContain('execute');
      gate.resolve();
    };
    const publisher = await start({ listeners: [listener] });
    await publisher.publish(listener, { id: 'o1' });
    expect(await storyOf(publisher)).toEqual(['session-lock opened', 'BEGIN', 'execute', 'half', 'COMMIT', 'fence closed', 'END COMMIT']);
  });

  it('overlapped: a half that fails undoes the rows, rows that fail undo the half', async () => {
    const listener = listenerWith('overlapped');
    const publisher = await start({ listeners: [listener] });
    broker.failHalf = true;
    await expect(publisher.publish(listener, { id: 'o1' })).rejects.toBeInstanceOf(HalfMessageError);
    broker.failHalf = false;
    execute = async () => 'ROLLBACK';
    await expect(publisher.publish(listener, { id: 'o2' })).rejects.toMatchObject({ reason: 'declined' });
    const told = await storyOf(publisher);
    expect(told).not.toContain('COMMIT');
    expect(told.filter((step) => step === 'ROLLBACK')).toHaveLength(2);
    expect(told.filter((step) => step.startsWith('END'))).toEqual(['END ROLLBACK']);
  });

  it('beforeCommit: after execute, under the row fence, with what execute produced', async () => {
    const listener = listenerWith('beforeCommit');
    const publisher = await start({ listeners: [listener] });
    await publisher.publish(listener, { id: 'o1' });
    expect(await storyOf(publisher)).toEqual(['row opened', 'BEGIN', 'execute', 'half', 'COMMIT', 'fence closed', 'END COMMIT']);
    expect(JSON.parse(Buffer.from(broker.halves[0]!.body).toString())).toEqual({ id: 'o1', no: 7 });
  });

  it('beforeCommit: a business rollback costs the broker nothing', async () => {
    const listener = listenerWith('beforeCommit');
    execute = async () => 'ROLLBACK';
    const publisher = await start({ listeners: [listener] });
    await expect(publisher.publish(listener, { id: 'o1' })).rejects.toMatchObject({ reason: 'declined' });
    expect((await storyOf(publisher)).filter((step) => step.includes('half') || step.includes('END'))).toEqual([]);
  });

  it('first: has left already when execute hands something to it', async () => {
    execute = async () => commitWith({ no: 7 }) as never;
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toThrow(/needs half: 'beforeCommit'/);
  });
});

describe('Several messages, one decision', () => {
  const listener = defineTransactionListener<Order>({
    name: 'place-order',
    lookup: transactionMarker(),
    messages: [
      { topic: 'orders', tag: 'placed', version: 2 },
      { topic: 'stock', tag: 'reserve', keys: (order) => [order.id], payload: ({ id }) => ({ reserve: id }) },
    ],
    execute: async (_em, order) => execute(order),
  });

  it('are all stored before COMMIT under one transaction id, and each ENDs by itself', async () => {
    const publisher = await start({ listeners: [listener] });
    const { transactionId } = await publisher.publish(listener, { id: 'o1' });
    expect(await storyOf(publisher)).toEqual([
      'marker opened',
      'half',
      'half',
      'BEGIN',
      'COMMIT',
      'fence closed',
      'END COMMIT',
      'END COMMIT',
    ]);
    expect(
      broker.halves.map(({ topic, properties }) => [
        topic,
        properties['checkback-tx'],
        properties['checkback-version'],
        properties['checkback-lookup'],
      ]),
    ).toEqual([
      ['orders', transactionId, '2', 'transactionMarker'],
      ['stock', transactionId, '1', 'transactionMarker'],
    ]);
  });

  it('are all undone when one cannot be stored', async () => {
    broker.failHalf = ({ topic }) => topic === 'stock';
    const publisher = await start({ listeners: [listener] });
    await expect(publisher.publish(listener, { id: 'o1' })).rejects.toBeInstanceOf(HalfMessageError);
    expect(await storyOf(publisher)).toEqual(['marker opened', 'half', 'half', 'fence closed', 'END ROLLBACK']);
  });
});

describe('Several databases', () => {
  const sharded = defineTransactionListener<Order>({
    topic: 'orders',
    tag: 'placed',
    lookup,
    database: ({ id }) => id[0]!,
    execute: async () => {},
  });

  it('take each the inputs that name them, and their check-backs', async () => {
    const other = new ScriptedDatabase([]);
    const publisher = await start({ listeners: [sharded], database: { a: database, b: other } });
    await publisher.publish(sharded, { id: 'b1' });
    expect(other.story).toContain('COMMIT');
    expect(story).not.toContain('COMMIT');
    other.answers.push('COMMIT');
    expect(await broker.ask(broker.halves[0]!)).toBe('COMMIT');
    expect(await broker.ask({ ...broker.halves[0]!, properties: { ...broker.halves[0]!.properties, 'checkback-database': 'c' } })).toBe(
      'UNKNOWN',
    );
    await expect(publisher.publish(sharded, { id: 'x1' })).rejects.toThrow(/no database "x"; known are a, b/);
    await publisher.close();
  });

  it('are refused at start when a listener does not choose, or has nothing to choose from', async () => {
    await expect(start({ database: { a: database } })).rejects.toThrow(/must say which takes an input/);
    await expect(start({ listeners: [sharded] })).rejects.toThrow(/was given one without names/);
    await expect(start({ database: {} })).rejects.toThrow(/names no database/);
  });
});

describe('Bad input', () => {
  it.each([
    ['schema', { id: '' }, /id: /],
    ['key with white space', { id: 'o 1' }, /key "o 1"/],
    ['key with a control character', { id: 'o\u00001' }, /white space or control/],
  ])('is refused before anything is sent or written: %s', async (_name, order, message) => {
    const publisher = await start();
    const error = await publisher.publish(placeOrder, order).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InvalidMessageError);
    expect((error as Error).message).toMatch(message);
    expect(await storyOf(publisher)).toEqual([]);
  });

  it.each(['first', 'beforeCommit'] as const)('is told apart from everything else when payload() throws, half %s', async (half) => {
    const listener = defineTransactionListener<Order>({
      topic: 'orders',
      tag: 'throws',
      lookup,
      half,
      payload: () => {
        throw new TypeError('no such field');
      },
      execute: () => {},
    });
    const publisher = await start({ listeners: [listener] });
    await expect(publisher.publish(listener, { id: 'o1' })).rejects.toMatchObject({
      code: half === 'first' ? 'CB_INVALID_MESSAGE' : 'CB_LOCAL_TRANSACTION',
      acted: 'no',
      message: expect.stringContaining('no such field') as string,
    });
    const told = await storyOf(publisher);
    expect(told).not.toContain('COMMIT');
    expect(told).not.toContain('half');
  });

  it('is refused inside a transaction that somebody else opened', async () => {
    database.inside = true;
    const publisher = await start();
    await expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toBeInstanceOf(ForeignTransactionError);
    expect(await storyOf(publisher)).toEqual([]);
  });

  it('is refused for a listener the publisher was not started with', async () => {
    const other = defineTransactionListener<Order>({ topic: 'orders', tag: 'other', lookup, execute: async () => {} });
    const publisher = await start();
    await expect(publisher.publish(other, { id: 'o1' })).rejects.toThrow(ConfigurationError);
  });

  it.each([
    ['an unknown option', { retries: 3 }, /unknown option "retries"/],
    ['an owner with a space', { owner: 'my shop' }, /owner .* got "my shop"/],
    ['a timeout that is none', { transactionTimeoutMs: 0 }, /transactionTimeoutMs .* got 0/],
    ['no listener', { listeners: [] }, /at least one transaction listener/],
    [
      'two listeners of one name',
      { listeners: [placeOrder, defineTransactionListener({ topic: 'orders', tag: 'placed', lookup, execute: () => {} })] },
      /two are named "orders:placed"/,
    ],
  ])('is refused at start: %s', async (_name, options, message) => {
    await expect(start(options as never)).rejects.toThrow(message);
    await expect(start(options as never)).rejects.toThrow(ConfigurationError);
  });
});

describe('TransactionalPublisher.close', () => {
  it('refuses new orders, lets those in flight finish with their END, then disconnects', async () => {
    const gate = Promise.withResolvers<void>();
    execute = () => gate.promise;
    const publisher = await start();
    const inFlight = publisher.publish(placeOrder, { id: 'o1' });
    await expect.poll(() => story).toContain('execute');
    const closed = publisher.close();
    await expect(publisher.publish(placeOrder, { id: 'o2' })).rejects.toBeInstanceOf(ClosedError);
    gate.resolve();
    await inFlight;
    await closed;
    expect(story.slice(-2)).toEqual(['END COMMIT', 'broker closed']);
  });

  it('is idempotent', async () => {
    const publisher = await start();
    await Promise.all([publisher.close(), publisher.close()]);
    await publisher.close();
    expect(story).toEqual(['broker closed']);
  });
});
