import { beforeEach, describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { InvalidMessageError, LocalTransactionError } from '../../src/errors.ts';
import type { AfterCommitLog } from '../../src/transaction/after-commit-log.ts';
import { onTransactionEvent } from '../../src/transaction/diagnostics.ts';
import { rowExists } from '../../src/transaction/lookup.ts';
import type { TransactionalPublisherOptions } from '../../src/transaction/publisher-options.ts';
import { defineTransactionListener } from '../../src/transaction/transaction-listener.ts';
import { TransactionalPublisher } from '../../src/transaction/transactional-publisher.ts';
import { ScriptedDatabase } from '../support/fake-transactions.ts';

interface Order {
  readonly id: string;
}

let story: string[];
let database: ScriptedDatabase;
let log: { -readonly [K in keyof AfterCommitLog]: AfterCommitLog[K] };
let kept: (readonly OutgoingMessage[])[];
let compensation: () => Promise<void>;

const definition = {
  topic: 'orders',
  tag: 'placed',
  lookup: rowExists(class {} as never, ({ transactionId }) => ({ transactionId })),
  keys: (order: Order) => [order.id],
  execute: () => void story.push('execute'),
};
const placeOrder = defineTransactionListener<Order>({
  ...definition,
  async compensate(_em, order) {
    story.push(`compensate ${order.id}`);
    await compensation();
  },
});
const start = (options: Partial<TransactionalPublisherOptions> = {}) =>
  TransactionalPublisher.start({ owner: 'shop', log, database, listeners: [placeOrder], inDoubtTimeoutMs: 300, ...options });
const outcomesOf = async (publish: () => Promise<unknown>): Promise<readonly string[]> => {
  const outcomes: string[] = [];
  const stop = onTransactionEvent('message-not-kept', ({ outcome }) => outcomes.push(outcome));
  await publish().finally(stop);
  return outcomes;
};

beforeEach(() => {
  story = [];
  kept = [];
  compensation = async () => {};
  database = new ScriptedDatabase(story);
  log = {
    onAppendFailure: 'compensate',
    start: async () => {},
    admit: () => void story.push('admit'),
    append: async (messages) => {
      story.push('append');
      kept.push(messages);
    },
  };
});

describe('TransactionalPublisher with a log', () => {
  it('asks the log before COMMIT, and hands it the messages after', async () => {
    const publisher = await start();
    const { transactionId } = await publisher.publish(placeOrder, { id: 'o1' });
    expect(story).toEqual(['row opened', 'BEGIN', 'execute', 'admit', 'COMMIT', 'fence closed', 'append']);
    expect(kept).toMatchObject([[{ topic: 'orders', keys: ['o1'], properties: { 'checkback-tx': transactionId } }]]);
  });

  it('rolls the order back when the log would not take its message, and keeps nothing', async () => {
    log.admit = () => {
      throw new InvalidMessageError('the log is full');
    };
    await expect((await start()).publish(placeOrder, { id: 'o1' })).rejects.toBeInstanceOf(LocalTransactionError);
    expect(story).toEqual(['row opened', 'BEGIN', 'execute', 'ROLLBACK', 'fence closed']);
  });

  it('undoes an order whose message could not be kept, and says that it may be placed again', async () => {
    log.append = () => Promise.reject(new Error('disk gone'));
    const publisher = await start();
    const outcomes = await outcomesOf(() =>
      expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({
        code: 'CB_MESSAGE_NOT_KEPT',
        isCompensated: true,
        acted: 'no',
        retryable: true,
        message: expect.stringContaining('disk gone'),
      }),
    );
    expect(story.slice(-5)).toEqual(['row opened', 'BEGIN', 'compensate o1', 'COMMIT', 'fence closed']);
    expect(outcomes).toEqual(['compensated']);
  });

  it('compensates again after a deadlock', async () => {
    log.append = () => Promise.reject(new Error('disk gone'));
    let deadlocks = 1;
    compensation = async () => {
      if (deadlocks-- > 0) throw new Error('deadlock');
    };
    await expect((await start()).publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({ isCompensated: true });
    expect(story.filter((step) => step === 'compensate o1')).toHaveLength(2);
  });

  it('says so when the order could not be undone either', async () => {
    log.append = () => Promise.reject(new Error('disk gone'));
    compensation = () => Promise.reject(new Error('no such row'));
    const publisher = await start();
    const outcomes = await outcomesOf(() =>
      expect(publisher.publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({
        code: 'CB_MESSAGE_NOT_KEPT',
        isCompensated: false,
        acted: 'yes',
        retryable: false,
        message: expect.stringMatching(/disk gone.*no such row/),
      }),
    );
    expect(outcomes).toEqual(['not-compensated']);
  });

  it('resolves and reports what could not be kept, when that is what was chosen', async () => {
    log.onAppendFailure = 'report';
    log.append = () => Promise.reject(new Error('disk gone'));
    const publisher = await start({ listeners: [placeOrder] });
    const outcomes = await outcomesOf(async () => {
      await expect(publisher.publish(placeOrder, { id: 'o1' })).resolves.toMatchObject({ transactionId: expect.any(String) });
    });
    expect(outcomes).toEqual(['reported']);
    expect(story.at(-1)).toBe('fence closed');
  });

  it('keeps the message of a COMMIT whose answer was lost, once the row is found', async () => {
    database.commit = () => Promise.reject(new Error('connection lost'));
    database.answers.push('UNKNOWN', 'COMMIT');
    await (await start()).publish(placeOrder, { id: 'o1' });
    expect(kept).toHaveLength(1);
  });

  it('keeps nothing of a COMMIT that stays in doubt, and does not promise a delivery', async () => {
    database.commit = () => Promise.reject(new Error('connection lost'));
    await expect((await start()).publish(placeOrder, { id: 'o1' })).rejects.toMatchObject({
      code: 'CB_TRANSACTION_IN_DOUBT',
      message: expect.stringContaining('reconciliation must find its rows'),
    });
    expect(kept).toEqual([]);
  });

  it('refuses to start with a listener that could not be undone, and with a log that cannot start', async () => {
    const withoutUndoing = defineTransactionListener<Order>(definition);
    await expect(start({ listeners: [withoutUndoing] })).rejects.toThrow('compensate(em, input)');
    log.start = () => Promise.reject(new Error('read-only disk'));
    await expect(start()).rejects.toThrow('read-only disk');
  });
});
