import type { Connection, RowDataPacket } from 'mysql2/promise';

/** What the server counts, since it was started. */
export interface DatabaseCounters {
  readonly redoBytes: number;
  readonly binlogBytes: number;
  /** Of InnoDB's files, its log among them; and groups of commits in the binlog, each one more, where the server tells them (MariaDB). */
  readonly fsyncs: number;
  readonly rowsWritten: number;
  /** Statements that clients sent, one round trip each. */
  readonly statements: number;
}

const NAMES = [
  'innodb_os_log_written',
  'innodb_data_fsyncs',
  'binlog_group_commits',
  'innodb_rows_inserted',
  'innodb_rows_updated',
  'innodb_rows_deleted',
  'handler_write',
  'handler_update',
  'handler_delete',
  'questions',
] as const;

/** Reads the counters; its own few statements are among them. */
export async function readDatabaseCounters(connection: Connection): Promise<DatabaseCounters> {
  const [status] = await connection.query<RowDataPacket[]>(
    `show global status where variable_name in (${NAMES.map((name) => `'${name}'`).join(', ')})`,
  );
  // All files together: a rotation between two looks makes no difference.
  const [logs] = await connection.query<RowDataPacket[]>('show binary logs');
  return countersOf(
    Object.fromEntries(status.map((row) => [String(row['Variable_name']).toLowerCase(), Number(row['Value'])])),
    logs.map((row) => Number(row['File_size'])),
  );
}

export function countersOf(status: Readonly<Record<string, number>>, binlogFiles: readonly number[]): DatabaseCounters {
  const of = (name: (typeof NAMES)[number]): number => status[name] ?? 0;
  return {
    redoBytes: of('innodb_os_log_written'),
    binlogBytes: binlogFiles.reduce((sum, bytes) => sum + bytes, 0),
    fsyncs: of('innodb_data_fsyncs') + of('binlog_group_commits'),
    // MariaDB has dropped InnoDB's own; its handlers' leave temporary tables out, those of MySQL do not.
    rowsWritten:
      status['innodb_rows_inserted'] === undefined
        ? of('handler_write') + of('handler_update') + of('handler_delete')
        : of('innodb_rows_inserted') + of('innodb_rows_updated') + of('innodb_rows_deleted'),
    statements: of('questions'),
  };
}
