import type { EntityName } from '@mikro-orm/core';

export type SqlValue = string | number | bigint | boolean | Date | Uint8Array | null;

/**
 * Statements of one local transaction, on its own connection, without the cost of an entity manager. Refuses work once
 * COMMIT or ROLLBACK was asked for. One statement at a time reaches the server, in the order they were asked for.
 */
export interface SqlTransaction {
  /**
   * Inserts one row of an entity, by the names of its properties; what is left out is the entity's `onCreate`, or the
   * table's default. The row also proves the transaction to its look-up, so no question is asked before COMMIT.
   */
  insert<Row extends object>(entity: EntityName<Row>, row: Partial<Row>): Promise<SqlResult>;
  /** Runs one statement that changes rows. `?` stands for a parameter. */
  execute(sql: string, parameters?: readonly SqlValue[]): Promise<SqlResult>;
  /** Runs one statement that reads rows. */
  query<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<readonly Row[]>;
}

export interface SqlResult {
  readonly affectedRows: number;
  /** Of an AUTO_INCREMENT column; 0 when there is none. */
  readonly insertId: number;
}
