import type { LogEvent } from '../../../src/change-data-capture/log-event.ts';
import type { BinlogPoint, CommittedTransaction, LoggedTable, RowChange } from '../../../src/change-data-capture/row-change.ts';

export const ORDERS: LoggedTable = {
  name: 'shop.orders',
  columns: [
    { name: 'id', type: 'varchar(64)' },
    { name: 'transaction_id', type: 'varchar(36)' },
  ],
};

export const pointAt = (position: number, file = 'binlog.000001'): BinlogPoint => ({ file, position, gtidSet: `0-1-${position}` });

export const insertOf = (id: string, table: LoggedTable = ORDERS): RowChange => ({
  table,
  kind: 'insert',
  after: { id, transaction_id: `tx-${id}` },
  before: undefined,
});

/** One COMMIT at `position` of the orders named. */
export const committed = (position: number, ...ids: string[]): CommittedTransaction => ({
  end: pointAt(position),
  committedAt: 0,
  changes: ids.map((id) => insertOf(id)),
  isBookkeeping: false,
});

export const rowsOf = (...ids: string[]): LogEvent => ({ kind: 'rows', changes: ids.map((id) => insertOf(id)) });
export const ending = (kind: 'commit' | 'rollback' | 'prepare', position: number): LogEvent => ({
  kind,
  end: pointAt(position),
  at: 1_000,
});
