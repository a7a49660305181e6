import { beforeEach, describe, expect, it } from 'vitest';
import type { CheckedHalfMessage } from '../../src/broker/transactional-producer.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { CheckBackHandler } from '../../src/transaction/check-back-handler.ts';
import { type TransactionDiagnostics, onTransactionEvent } from '../../src/transaction/diagnostics.ts';
import { type HalfMessageIdentity, encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { ListenerRegistry } from '../../src/transaction/listener-registry.ts';
import { rowExists } from '../../src/transaction/lookup.ts';
import { TransactionDatabases } from '../../src/transaction/transaction-databases.ts';
import { defineTransactionListener } from '../../src/transaction/transaction-listener.ts';
import { ScriptedDatabase } from '../support/fake-transactions.ts';

const listener = defineTransactionListener<{ id: string }>({
  topic: 'orders',
  tag: 'placed',
  lookup: rowExists(class {} as never, ({ transactionId }) => ({ transactionId })),
  execute: async () => {},
});
const never = new AbortController().signal;
let database: ScriptedDatabase;
let foreign: CheckedHalfMessage[];

const handler = (concurrency = 4): CheckBackHandler =>
  new CheckBackHandler({
    owner: 'shop',
    registry: new ListenerRegistry([listener]),
    databases: new TransactionDatabases(database, [listener]),
    logger: silentLogger,
    concurrency,
    alarmRound: 10,
    foreignChecks: { asked: (half) => void foreign.push(half) },
  });

const half = (changes: Partial<HalfMessageIdentity> = {}, rest: Partial<CheckedHalfMessage> = {}): CheckedHalfMessage => ({
  ...encodeHalfMessage(
    { topic: 'orders', tag: 'placed', keys: [], payload: { id: 'o1' } },
    { owner: 'shop', listener: 'orders:placed', transactionId: 't1', correlationId: 'c1', lookup: 'rowExists', ...changes },
  ),
  messageId: 'm1',
  round: 1,
  bornAt: new Date(),
  ...rest,
});

beforeEach(() => {
  database = new ScriptedDatabase([]);
  foreign = [];
});

describe('CheckBackHandler', () => {
  it.each(['COMMIT', 'ROLLBACK', 'UNKNOWN'] as const)('answers what the database says: %s', async (answer) => {
    database.answers.push(answer);
    expect(await handler().answer(half(), never)).toBe(answer);
  });

  it.each([
    ['of another service', half({ owner: 'billing' })],
    ['of a listener this version does not have', half({ listener: 'orders:cancelled' })],
    ['of the same listener name on another topic', half({}, { topic: 'refunds' })],
    ['sent under a look-up the listener has no more', half({ lookup: 'somethingElse' } as never)],
    ['of a database this service does not know', half({ database: 'shard-9' })],
    ['without a transaction id', half({ transactionId: '' })],
    ['without any of our properties', half({}, { properties: {} })],
  ])('answers UNKNOWN, never ROLLBACK, and asks no database about a message %s', async (_name, message) => {
    database.answers.push('ROLLBACK');
    expect(await handler().answer(message, never)).toBe('UNKNOWN');
    expect(database.checks).toBe(0);
  });

  it('reports what belongs to another service, and nothing else', async () => {
    database.answers.push('COMMIT');
    await handler().answer(half(), never);
    await handler().answer(half({ listener: 'orders:cancelled' }), never);
    expect(foreign).toEqual([]);
    await handler().answer(half({ owner: 'billing' }, { round: 3 }), never);
    expect(foreign).toEqual([expect.objectContaining({ round: 3 })]);
  });

  it.each([
    ['ahead', 3_600_000],
    ['behind', -11_000],
  ])(
    'says that the sender’s clock is %s of the broker’s by the first round, when both looked at the same moment',
    async (_how, offsetMs) => {
      const offsets: unknown[] = [];
      const stop = onTransactionEvent('clock-offset', (event) => offsets.push(event));
      const storedAt = new Date();
      const bornAt = new Date(storedAt.getTime() + offsetMs);
      database.answers.push('COMMIT');
      await handler().answer(half({}, { bornAt, storedAt }), never);
      await handler().answer(half({}, { bornAt, storedAt, round: 2 }), never);
      await handler().answer(half({}, { bornAt: new Date(storedAt.getTime() - 4_000), storedAt }), never);
      stop();
      expect(offsets).toEqual([{ topic: 'orders', offsetMs }]);
    },
  );

  it('answers UNKNOWN when the look-up fails', async () => {
    database.answers.push(new Error('Lock wait timeout exceeded'));
    expect(await handler().answer(half(), never)).toBe('UNKNOWN');
  });

  it('answers UNKNOWN when the look-up hangs past its time', async () => {
    database.check = () => new Promise(() => {});
    const over = new AbortController();
    const answer = handler().answer(half(), over.signal);
    over.abort(new Error('too late'));
    expect(await answer).toBe('UNKNOWN');
  });

  it('answers UNKNOWN to a body that is not JSON', async () => {
    database.answers.push('ROLLBACK');
    expect(await handler().answer(half({}, { body: Buffer.from('{') }), never)).toBe('UNKNOWN');
  });

  it('looks one transaction up once, however many ask at the same time', async () => {
    const gate = Promise.withResolvers<'COMMIT'>();
    let lookUps = 0;
    database.check = () => {
      lookUps++;
      return gate.promise;
    };
    const one = handler();
    const answers = [one.answer(half(), never), one.answer(half(), never), one.answer(half(), never)];
    gate.resolve('COMMIT');
    expect(await Promise.all(answers)).toEqual(['COMMIT', 'COMMIT', 'COMMIT']);
    expect(lookUps).toBe(1);
  });

  it('looks up no more transactions at a time than it may', async () => {
    let running = 0;
    let most = 0;
    database.check = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return 'COMMIT';
    };
    const one = handler(3);
    await Promise.all(Array.from({ length: 50 }, (_, index) => one.answer(half({ transactionId: `t${index}` }), never)));
    expect(most).toBe(3);
  });

  it('looks a marker up by itself, whatever became of the listener that wrote it', async () => {
    database.answers.push('ROLLBACK');
    expect(await handler().answer(half({ lookup: 'transactionMarker', listener: 'orders:removed' } as never), never)).toBe('ROLLBACK');
    expect(database.checks).toBe(1);
  });

  it('raises an alarm when a late round is still UNKNOWN', async () => {
    const alarms: unknown[] = [];
    const stop = onTransactionEvent('check-budget-low', (event) => alarms.push(event.round));
    database.answers.push('UNKNOWN', 'UNKNOWN', 'COMMIT');
    for (const round of [9, 10, 11]) await handler().answer(half({}, { round }), never);
    stop();
    expect(alarms).toEqual([10]);
  });

  it('tells what it answered, in which round and why', async () => {
    const events: TransactionDiagnostics['checked'][] = [];
    const stop = onTransactionEvent('checked', (event) => events.push(event));
    await handler().answer(half({ owner: 'billing' }, { round: 7 }), never);
    stop();
    expect(events).toEqual([
      expect.objectContaining({ transactionId: 't1', resolution: 'UNKNOWN', round: 7, reason: 'owned by "billing", not by "shop"' }),
    ]);
  });
});
