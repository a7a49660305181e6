/** A place between two transactions in a server's binlog, up to which everything is done. */
export interface BinlogPoint {
  readonly file: string;
  readonly position: number;
  /** Everything before it, in the server's own notation, where the server keeps such. Finds the place on another server. */
  readonly gtidSet: string | undefined;
}

/** A point, and the server whose file it names. */
export interface StoredPosition extends BinlogPoint {
  /** MySQL's `server_uuid`, MariaDB's `server_uid`. */
  readonly server: string;
}

/** A row's values by the name its column had when it was written. */
export type RowImage = Readonly<Record<string, unknown>>;

/** A column as the binlog says it was when the row was written. */
export interface LoggedColumn {
  readonly name: string;
  /** As in `create table`: `varchar(64)`, `bigint unsigned`. */
  readonly type: string;
}

/** `database.table` and its columns, in their order. */
export interface LoggedTable {
  readonly name: string;
  readonly columns: readonly LoggedColumn[];
}

export interface RowChange {
  readonly table: LoggedTable;
  readonly kind: 'insert' | 'update';
  readonly after: RowImage;
  /** Of an update. */
  readonly before: RowImage | undefined;
}

/** What one COMMIT made visible, as far as somebody wants to know. */
export interface CommittedTransaction {
  /** Right behind it. */
  readonly end: BinlogPoint;
  /** By the server's clock, in ms; whole seconds. */
  readonly committedAt: number;
  /** In the order they were made. Empty for the transactions of others, and for statements outside any. */
  readonly changes: readonly RowChange[];
  /** Whether it did nothing but write down a position: no reason to write one down again. */
  readonly isBookkeeping: boolean;
}
