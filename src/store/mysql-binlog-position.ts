import type { MikroORM } from '@mikro-orm/mysql';
import type { ParkingLot, PositionStore, Turn } from '../change-data-capture/position-store.ts';
import type { StoredPosition } from '../change-data-capture/row-change.ts';
import { MESSAGE_PROPERTY } from '../broker/message.ts';
import { openNamedLocks } from './mysql-named-locks.ts';
import { asReason, laneOf, NOW } from './mysql-outbox-rows.ts';
import { statementsOn, type Transaction } from './statements.ts';

/** Positions in the table `binlog_position` of the database whose log is read. */
export const mysqlPositionStore = (orm: MikroORM): PositionStore => {
  const statements = (): Transaction => statementsOn(orm.em.getConnection());
  const load = async (name: string): Promise<{ position: StoredPosition; fence: number } | undefined> => {
    const [row] = await statements().rows('select server, file, position, gtid_set, fence from binlog_position where name = ?', [name]);
    return row && { position: positionOf(row), fence: Number(row['fence']) };
  };
  return {
    async ensure(name, first) {
      if ((await load(name)) !== undefined) return;
      const { server, file, position, gtidSet } = await first();
      // Of several processes that start together one is the first.
      await statements().run(
        `insert ignore into binlog_position (name, server, file, position, gtid_set, updated_at) values (?, ?, ?, ?, ?, ${NOW})`,
        [name, server, file, position, gtidSet ?? null],
      );
    },
    load: async (name) => (await load(name))?.position,
    async claim(name, reader) {
      const connection = orm.em.getConnection();
      const claimed = await connection.transactional(async (context) => {
        const tx = statementsOn(connection, context);
        await tx.run(`update binlog_position set fence = fence + 1, reader = ?, updated_at = ${NOW} where name = ?`, [
          reader.slice(0, 100),
          name,
        ]);
        const [row] = await tx.rows('select server, file, position, gtid_set, fence from binlog_position where name = ?', [name]);
        return row && { position: positionOf(row), fence: Number(row['fence']) };
      });
      if (claimed === undefined) throw new Error(`there is no binlog position named "${name}" any more`);
      return claimed;
    },
    async save(name, fence, { server, file, position, gtidSet }) {
      const { affectedRows } = await statements().run(
        `update binlog_position set server = ?, file = ?, position = ?, gtid_set = ?, updated_at = ${NOW} where name = ? and fence = ?`,
        [server, file, position, gtidSet ?? null, name, fence],
      );
      return affectedRows > 0;
    },
  };
};

const positionOf = (row: Record<string, unknown>): StoredPosition => ({
  server: row['server'] as string,
  file: row['file'] as string,
  position: Number(row['position']),
  gtidSet: (row['gtid_set'] as string | null) ?? undefined,
});

/** The turn to read, as a lock of the whole database: a process that dies lets go of it. Takes a connection until released. */
export const mysqlCaptureTurn = async (orm: MikroORM, name: string): Promise<Turn> => {
  const locks = await openNamedLocks(orm);
  return { take: () => locks.lock(`binlog/${name}`), release: () => locks.release() };
};

/** Parks messages in the outbox's table, where its store shows them, and gives them to a relay again when a person says so. */
export const mysqlParkingLot = (orm: MikroORM): ParkingLot => ({
  async park(message, seq, reason) {
    await statementsOn(orm.em.getConnection()).run(
      `insert into outbox_message (transaction_id, seq, lane, topic, tag, message_keys, properties, body, state, attempts, last_error, due_at, created_at, updated_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, 'PARKED', 1, ?, ${NOW}, ${NOW}, ${NOW}) on duplicate key update seq = values(seq)`,
      [
        message.properties[MESSAGE_PROPERTY.transactionId] ?? '',
        seq,
        laneOf(message),
        message.topic,
        message.tag,
        JSON.stringify(message.keys),
        JSON.stringify(message.properties),
        Buffer.from(message.body),
        asReason(reason),
      ],
    );
  },
});
