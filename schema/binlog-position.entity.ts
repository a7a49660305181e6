import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

/** How far the database's log has been read and sent, one row a capture. */
export const BinlogPositionEntity = defineEntity({
  name: 'BinlogPosition',
  tableName: 'binlog_position',
  properties: {
    name: p.string().length(100).primary(),
    /** Whose files are named: MySQL's `server_uuid`, MariaDB's `server_uid`. */
    server: p.string().length(64),
    file: p.string().length(255),
    position: p.bigint('number').unsigned(),
    /** Everything before it, where the server keeps GTIDs: finds the place on another server. */
    gtidSet: p.text().nullable(),
    /** Counts the readers there have been: only the last one may move the position. */
    fence: p.bigint('number').unsigned().default(0),
    reader: p.string().length(100).nullable(),
    updatedAt: p.datetime(3),
  },
});

export type BinlogPositionRow = InferEntity<typeof BinlogPositionEntity>;
