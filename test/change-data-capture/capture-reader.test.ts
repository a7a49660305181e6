import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CaptureReader, type CaptureReaderOptions, startCaptureReader } from '../../src/change-data-capture/capture-reader.ts';
import { resolveCaptureLimits } from '../../src/change-data-capture/capture-options.ts';
import { onCaptureEvent } from '../../src/change-data-capture/diagnostics.ts';
import { defineRowMessage } from '../../src/change-data-capture/row-message.ts';
import { CaptureStoppedError } from '../../src/errors.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { encodeHalfMessage } from '../../src/transaction/half-message.ts';
import { placeOrderOn } from '../support/publishing-listeners.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';
import { committed, pointAt } from './support/logged.ts';
import { RecordingSender } from './support/recording-sender.ts';
import { ScriptedLog, ScriptedPositions, ScriptedTurn } from './support/scripted-log.ts';

let clock: ManualClock;
let log: ScriptedLog;
let positions: ScriptedPositions;
let turn: ScriptedTurn;
let sender: RecordingSender;
const readers: CaptureReader[] = [];

const rowMessage = defineRowMessage({
  listener: placeOrderOn('orders'),
  entity: 'orders' as never,
  when: ({ id }: { id: string }) => id !== 'unwanted',
  inputOf: ({ id }: { id: string }) => {
    if (id === 'bad') throw new Error('cannot tell');
    return { orderId: id, customerId: 'c', amountMinor: 1, currency: 'EUR' as const };
  },
  idsOf: ({ id }: { id: string }) => ({ transactionId: `tx-${id}` }),
});

const start = ({ maxRetryMs = 400, ...limits }: Partial<CaptureReaderOptions['limits']> = {}): CaptureReader => {
  const reader = startCaptureReader({
    name: 'shop',
    reader: 'here',
    log,
    positions,
    openTurn: async () => turn,
    readables: [
      {
        rowMessage,
        table: 'shop.orders',
        misfits: ({ columns }) => (columns.length === 2 ? [] : ['there is no column id']),
        readRow: (image) => image,
      },
    ],
    parts: { encodeHalfMessage, owner: 'shop' },
    sender,
    parking: { park: async () => {} },
    refused: 'hold',
    limits: resolveCaptureLimits({ retryMs: 100, maxRetryMs, standbyMs: 1_000, ...limits }),
    clock,
    random: () => 1,
    logger: silentLogger,
  });
  readers.push(reader);
  return reader;
};

beforeEach(() => {
  clock = new ManualClock();
  log = new ScriptedLog();
  positions = new ScriptedPositions();
  turn = new ScriptedTurn();
  sender = new RecordingSender();
});
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.close(0);
  await settled();
  if (clock.timers > 0) throw new Error(`${clock.timers} timers are left`);
});

describe('CaptureReader', () => {
  it('writes the position down only when everything before it was sent', async () => {
    sender.isDown = true;
    const reader = start();
    await settled();
    log.give(committed(10, 'a'), committed(20, 'b'));
    await settled();
    expect(positions.saved).toEqual([]);
    sender.isDown = false;
    await clock.advance(100);
    expect(sender.keys.toSorted()).toEqual(['a', 'b']);
    expect(positions.saved).toEqual([20]);
    expect(reader.stats()).toMatchObject({
      state: { kind: 'READING' },
      sent: 2,
      transactions: 2,
      position: { position: 20, server: 'one' },
    });
  });

  it('tries to write it down until the database answers, and sends nothing twice for it', async () => {
    positions.failures = 2;
    start();
    await settled();
    log.give(committed(10, 'a'));
    await clock.advance(100 + 200);
    expect(positions.saved).toEqual([10]);
    expect(sender.keys).toEqual(['a']);
  });

  it('writes a position down behind transactions of others now and then, and never for its own writing', async () => {
    start({ savePositionMs: 5_000 });
    await settled();
    log.give(committed(10));
    await settled();
    expect(positions.saved).toEqual([]);
    await clock.advance(5_000);
    log.give({ ...committed(20), isBookkeeping: true });
    await settled();
    expect(positions.saved).toEqual([]);
    log.give(committed(30));
    await settled();
    log.give(committed(40, 'unwanted'));
    await settled();
    expect(positions.saved).toEqual([30]);
    log.give({ ...committed(4), end: pointAt(4, 'binlog.000002'), isBookkeeping: true });
    await settled();
    expect(positions.saved).toEqual([30, 4]);
  });

  it('sends what comes before a row it cannot map, stops there, and lets go of its turn', async () => {
    const stopped: unknown[] = [];
    const off = onCaptureEvent('stopped', ({ reason }) => stopped.push(reason));
    const reader = start();
    await settled();
    log.give(committed(10, 'a'), committed(20, 'bad'), committed(30, 'c'));
    await settled();
    off();
    expect(sender.keys).toEqual(['a']);
    expect(positions.saved).toEqual([10]);
    expect(stopped).toEqual(['mapping']);
    expect(reader.stats().state).toEqual({ kind: 'STOPPED', reason: 'mapping' });
    expect(turn.held).toBe(0);
  });

  it('stops at rows whose columns do not fit', async () => {
    const reader = start();
    await settled();
    const [change] = committed(10, 'a').changes;
    log.give({ ...committed(10), changes: [{ ...change!, table: { name: 'shop.orders', columns: [] } }] });
    await settled();
    expect(reader.stats().state).toEqual({ kind: 'STOPPED', reason: 'schema' });
  });

  it('opens a lost connection again where everything is written down', async () => {
    start();
    await settled();
    log.give(committed(10, 'a'));
    await settled();
    log.fail(new Error('reset'));
    await clock.advance(100);
    expect(log.opened).toEqual([0, 10]);
    expect(log.closed).toBe(1);
    log.give(committed(20, 'b'));
    await settled();
    expect(sender.keys).toEqual(['a', 'b']);
  });

  it('does not begin where the position is lost', async () => {
    log.resume = async () => {
      throw new CaptureStoppedError('purged', { reason: 'position-lost' });
    };
    const reader = start();
    await settled();
    expect(reader.stats().state).toEqual({ kind: 'STOPPED', reason: 'position-lost' });
    expect(log.opened).toEqual([]);
  });

  it('stands by while another has the turn, and takes over', async () => {
    turn.isFree = false;
    const reader = start();
    await settled();
    expect(reader.stats().state.kind).toBe('STANDBY');
    turn.isFree = true;
    await clock.advance(1_000);
    expect(reader.stats().state.kind).toBe('READING');
  });

  it('sends nothing more once another has claimed the position, and waits for its turn again', async () => {
    const reader = start();
    await settled();
    positions.fence += 1;
    turn.isFree = false;
    log.give(committed(10, 'a'));
    log.give(committed(20, 'b'));
    await settled();
    expect(sender.keys).toEqual(['a']);
    expect(positions.saved).toEqual([]);
    await clock.advance(1_000);
    expect(reader.stats().state.kind).toBe('STANDBY');
  });

  it('lets sends in progress end when it is closed, and writes down as far as there is no gap', async () => {
    const gate = Promise.withResolvers<void>();
    const { send } = sender;
    sender.send = async (message) => {
      if (message.keys[0] === 'b') await gate.promise;
      return send.call(sender, message);
    };
    const reader = start();
    await settled();
    log.give(committed(10, 'a'), committed(20, 'b'));
    await settled();
    const closing = reader.close(10_000);
    await settled();
    gate.resolve();
    await closing;
    expect(positions.saved).toEqual([20]);
    expect(reader.stats().state.kind).toBe('CLOSED');
    expect(log.closed).toBe(1);
  });

  it('does not wait longer than it is told', async () => {
    sender.send = () => new Promise(() => {});
    const reader = start();
    await settled();
    log.give(committed(10, 'a'));
    await settled();
    const closing = reader.close(500);
    await clock.advance(500);
    await closing;
    expect(positions.saved).toEqual([]);
  });
});
