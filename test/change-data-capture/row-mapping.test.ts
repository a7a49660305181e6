import { describe, expect, it } from 'vitest';
import { OrderEntity, type Order } from '../../schema/index.ts';
import {
  DEFAULT_CAPTURE_LIMITS,
  resolveCaptureLimits,
  resolveCaptureName,
  resolveFrom,
  resolveRefused,
} from '../../src/change-data-capture/capture-options.ts';
import { type CaptureState, canMove, moved } from '../../src/change-data-capture/capture-state.ts';
import { familyOf, misfits } from '../../src/change-data-capture/compare-columns.ts';
import { defineRowMessage, refuseTwins, refuseUnmapped } from '../../src/change-data-capture/row-message.ts';
import { ConfigurationError } from '../../src/errors.ts';
import { placeOrderOn } from '../support/publishing-listeners.ts';
import { orderPlaced } from './support/order-placed.ts';

const listener = placeOrderOn('orders');
const good = {
  listener,
  entity: OrderEntity,
  inputOf: ({ id }: Order) => ({ orderId: id, customerId: 'c', amountMinor: 1, currency: 'EUR' as const }),
  idsOf: ({ transactionId }: Order) => ({ transactionId }),
};

describe('defineRowMessage', () => {
  it('takes every insert by default, and is frozen', () => {
    const made = defineRowMessage(good);
    expect(made).toMatchObject({ on: 'insert', columns: undefined });
    expect(made.when({} as Order, undefined)).toBe(true);
    expect(Object.isFrozen(made)).toBe(true);
  });

  it.each([
    ['listener', { listener: {} }],
    ['entity', { entity: undefined }],
    ['on', { on: 'delete' }],
    ['when', { on: 'update' }],
    ['inputOf', { inputOf: 'x' }],
    ['idsOf', { idsOf: undefined }],
    ['columns', { columns: [] }],
  ])('refuses a bad %s', (field, change) => {
    expect(() => defineRowMessage({ ...good, ...change } as never)).toThrow(ConfigurationError);
    expect(() => defineRowMessage({ ...good, ...change } as never)).toThrow(field);
  });

  it('is refused twice for the same change, not at all, and when a listener has none', () => {
    expect(() => refuseTwins([])).toThrow('rowMessages');
    expect(() => refuseTwins([orderPlaced(listener), orderPlaced(listener)])).toThrow('two row messages');
    const paid = defineRowMessage({ ...good, on: 'update', when: () => true });
    expect(() => refuseTwins([orderPlaced(listener), paid])).not.toThrow();
    expect(() => refuseUnmapped([listener], [orderPlaced(listener)])).not.toThrow();
    expect(() => refuseUnmapped([listener, { ...listener, name: 'other' }], [orderPlaced(listener)])).toThrow('"other"');
  });
});

describe('Columns of the binlog', () => {
  const logged = [
    { name: 'id', type: 'varchar(64)' },
    { name: 'Amount', type: 'bigint unsigned' },
    { name: 'at', type: 'datetime(6)' },
    { name: 'note', type: 'longtext' },
  ];

  it.each([
    ['longer', [{ name: 'id', type: 'varchar(10)' }], []],
    ['of another letter case', [{ name: 'amount', type: 'int' }], []],
    ['text for JSON, as MariaDB keeps it', [{ name: 'note', type: 'json' }], []],
    ['of a type nobody knows', [{ name: 'id', type: 'point' }], []],
    ['missing', [{ name: 'other', type: 'int' }], ['there is no column other']],
    ['of another kind', [{ name: 'amount', type: 'varchar(30)' }], ['column amount is bigint unsigned, not varchar(30)']],
    ['a date for a moment', [{ name: 'at', type: 'date' }], ['column at is datetime(6), not date']],
  ])('%s', (_, expected, found) => {
    expect(misfits(expected, logged)).toEqual(found);
  });

  it('are of families whose values read alike', () => {
    expect(['TINYINT(1)', 'year', 'numeric(5,2)', 'enum("a")', 'varbinary(3)', 'timestamp(3)', 'double', 'geometry'].map(familyOf)).toEqual(
      ['integer', 'integer', 'decimal', 'text', 'binary', 'datetime', 'float', undefined],
    );
  });
});

describe('CaptureState', () => {
  const states: CaptureState[] = [
    { kind: 'NEW' },
    { kind: 'STANDBY' },
    { kind: 'READING' },
    { kind: 'TROUBLED' },
    { kind: 'STOPPED', reason: 'schema' },
    { kind: 'CLOSED' },
  ];
  const allowed = new Set([
    'NEW STANDBY',
    'NEW CLOSED',
    'STANDBY READING',
    'STANDBY TROUBLED',
    'STANDBY STOPPED',
    'STANDBY CLOSED',
    'READING STANDBY',
    'READING TROUBLED',
    'READING STOPPED',
    'READING CLOSED',
    'TROUBLED STANDBY',
    'TROUBLED CLOSED',
    'STOPPED CLOSED',
  ]);

  it.each(states.flatMap((from) => states.map((to) => [from, to] as const)))('$0.kind to $1.kind', (from, to) => {
    expect(canMove(from.kind, to.kind)).toBe(allowed.has(`${from.kind} ${to.kind}`));
    const outcome = (): unknown => {
      try {
        return moved(from, to);
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(outcome()).toEqual(allowed.has(`${from.kind} ${to.kind}`) ? to : `a reader that is ${from.kind} cannot be ${to.kind} next`);
  });
});

describe('Options of a capture', () => {
  it('have defaults, ranges and names', () => {
    expect(resolveCaptureLimits({})).toEqual(DEFAULT_CAPTURE_LIMITS);
    expect(() => resolveCaptureLimits({ batch: 0 })).toThrow('batch must be a whole number from 1 to 100000, it is 0');
    expect(() => resolveCaptureLimits({ retryMs: 60_000, maxRetryMs: 10 })).toThrow('retryMs must not be above maxRetryMs');
    expect(resolveFrom({ file: 'binlog.000001', position: 4 })).toEqual({ file: 'binlog.000001', position: 4 });
    for (const from of [undefined, 'then', { file: '', position: 4 }, { file: 'b', position: 1 }])
      expect(() => resolveFrom(from as never)).toThrow(/from must say/);
    expect(resolveRefused(undefined)).toBe('hold');
    expect(() => resolveRefused('skip' as never)).toThrow('hold or park');
    expect(() => resolveCaptureName('a b')).toThrow('"a b"');
  });
});
