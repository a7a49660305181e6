import { describe, expect, it } from 'vitest';
import { composeChangeDataCapture } from '../../src/cli/compose-change-data-capture.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { placeOrderOn } from '../support/publishing-listeners.ts';
import { sqliteHome } from '../store/sqlite-home.ts';
import { orderPlaced } from './support/order-placed.ts';

const endpoints = '127.0.0.1:1';
const placeOrder = placeOrderOn('orders');
const rowMessages = [orderPlaced(placeOrder)];

describe('The strategy changeDataCapture of a configuration', () => {
  it('is an outbox without a look-up that writes nothing, and refuses a SQLite file at its start', async () => {
    const home = await sqliteHome();
    const composed = composeChangeDataCapture(
      { owner: 'shop', endpoints, changeDataCapture: { rowMessages, from: 'now' } },
      home.orm,
      silentLogger,
    );
    const { outbox } = composed.part;
    expect(outbox?.lookup).toBeUndefined();
    await outbox?.write({} as never, []);
    outbox?.committed();
    await expect(outbox?.start([placeOrder])).rejects.toBeInstanceOf(ConfigurationError);
    await expect(outbox?.start([{ ...placeOrder, name: 'other' }])).rejects.toThrow('"other"');
    await composed.close(1_000);
    await home.close();
  });

  it.each([
    ['no word about it', undefined, 'changeDataCapture: {'],
    ['no row messages', { rowMessages: [], from: 'now' as const }, 'rowMessages'],
    ['no place to begin', { rowMessages, from: undefined as never }, 'from'],
    ['a figure out of its range', { rowMessages, from: 'now' as const, batch: 0 }, 'batch'],
    ['an unknown choice', { rowMessages, from: 'now' as const, refused: 'skip' as never }, 'refused'],
  ])('is refused with %s', (_, changeDataCapture, said) => {
    const config = { owner: 'shop', endpoints, ...(changeDataCapture && { changeDataCapture }) };
    expect(() => composeChangeDataCapture(config, {} as never, silentLogger)).toThrow(said);
  });
});
