import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { RocketmqAdmin } from '../../src/cli/stack/rocketmq-admin.ts';

/** What a server must say of itself, else its figures are those of promises it does not keep. */
const REQUIRED = { innodb_flush_log_at_trx_commit: '1', sync_binlog: '1', flushDiskType: 'SYNC_FLUSH' } as const;

export type Durability = Record<keyof typeof REQUIRED, string>;

/** Asks the servers, not the configuration they were to be started with. */
export async function readDurability(connection: Connection, admin: Pick<RocketmqAdmin, 'brokerConfig'>): Promise<Durability> {
  const [rows] = await connection.query<RowDataPacket[]>(
    'select @@global.innodb_flush_log_at_trx_commit as flushed, @@global.sync_binlog as synced',
  );
  return {
    innodb_flush_log_at_trx_commit: String(rows[0]?.['flushed']),
    sync_binlog: String(rows[0]?.['synced']),
    flushDiskType: await admin.brokerConfig('flushDiskType'),
  };
}

/** Throws naming every setting that is not what durable means. */
export function requireDurable(found: Durability): void {
  const wrong = Object.entries(REQUIRED).filter(([name, value]) => found[name as keyof Durability] !== value);
  if (wrong.length > 0)
    throw new Error(
      `not measured on servers that may lose what they acknowledged: ${wrong.map(([name, value]) => `${name} is ${found[name as keyof Durability]}, not ${value}`).join('; ')}`,
    );
}
