import { hostname } from 'node:os';
import type { MikroORM } from '@mikro-orm/mysql';
import { type CaptureReader, type CaptureStats, startCaptureReader } from '../change-data-capture/capture-reader.ts';
import {
  type CaptureLimits,
  type RefusedMessage,
  resolveCaptureLimits,
  resolveCaptureName,
  resolveFrom,
  resolveRefused,
} from '../change-data-capture/capture-options.ts';
import type { CaptureFrom, ChangeLog } from '../change-data-capture/change-log.ts';
import { emitCaptureEvent } from '../change-data-capture/diagnostics.ts';
import { type AnyRowMessage, refuseTwins, refuseUnmapped } from '../change-data-capture/row-message.ts';
import { CaptureStoppedError, ClosedError, ConfigurationError } from '../errors.ts';
import type { OutboxSender } from '../outbox/outbox-sender.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { messageOf } from '../shared/error-message.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';
import { encodeHalfMessage } from '../transaction/half-message.ts';
import type { TransactionalOutbox } from '../transaction/transactional-outbox.ts';
import { binlogAccount, type BinlogAccount, withBinlogAccount } from './mysql-binlog-connection.ts';
import { mysqlCaptureTurn, mysqlParkingLot, mysqlPositionStore } from './mysql-binlog-position.ts';
import { readableRowMessage } from './mysql-binlog-rows.ts';
import { askWhoItIs, type BinlogServer, checkGrants, checkSettings, firstPosition, resumePoint } from './mysql-binlog-server.ts';
import { openBinlogStream } from './mysql-binlog-stream.ts';

export interface ChangeDataCaptureOptions extends Partial<CaptureLimits> {
  /** Of the database whose rows are messages; one capture a database. Its entities include the engine's. Stays the caller's. */
  readonly orm: MikroORM;
  /** Name of the service, as its publishers have it. */
  readonly owner: string;
  /** Which rows are messages; made by `defineRowMessage`. */
  readonly rowMessages: readonly AnyRowMessage[];
  /** Stays the caller's: `close()` does not close it. */
  readonly sender: OutboxSender;
  /** Where to begin when this capture has no position yet; not used afterwards. */
  readonly from: CaptureFrom;
  /** Names the position's row, and whose turn it is; keep it when the code changes. Default: the owner. */
  readonly name?: string;
  /** Whether this process reads, or stands by for it. Default true; false leaves it to others. */
  readonly reader?: boolean;
  /** `mysql://user:password@host:3306` of an account of the same server that may read its binlog. Default: the ORM's. */
  readonly binlogUrl?: string | undefined;
  /** What a message means that the broker refuses for good. Default `hold`. */
  readonly refused?: RefusedMessage;
  /** Default: says nothing. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gives a number in [0, 1), for jitter. Default `Math.random`. */
  readonly random?: () => number;
}

/** The strategy without a table for messages: committed rows become messages, as the database's own log tells them. */
export interface ChangeDataCapture extends TransactionalOutbox {
  /** `undefined` for a process that does not read. */
  stats(): CaptureStats | undefined;
  /** Ends the reader, not the sender. Idempotent; never rejects; nothing is left alive. */
  close(deadlineMs?: number): Promise<void>;
}

/**
 * Give it to `TransactionalPublisher.start` as its `outbox`, or start it by itself, with no listeners, in a process that
 * only reads. `start` rejects with `ConfigurationError` for a server, an account or a listener it cannot work with, and
 * with `CaptureStoppedError` when the position is lost. Throws `ConfigurationError` or `RangeError` naming a wrong option.
 */
export const mysqlChangeDataCapture = (options: ChangeDataCaptureOptions): ChangeDataCapture => {
  const { orm, owner, rowMessages, sender, reader: isReading = true, binlogUrl } = options;
  const { logger = silentLogger, clock = systemClock, random = Math.random } = options;
  const limits = resolveCaptureLimits(options);
  const from = resolveFrom(options.from);
  const refused = resolveRefused(options.refused);
  const name = resolveCaptureName(options.name ?? owner);
  refuseTwins(rowMessages);
  const positions = mysqlPositionStore(orm);
  let running: CaptureReader | undefined;
  let isClosed = false;

  const start = async (): Promise<void> => {
    const account = await binlogAccount(orm, binlogUrl);
    const readables = rowMessages.map((rowMessage) => readableRowMessage(orm, rowMessage));
    const log = mysqlChangeLog({ orm, account, tables: [...new Set(readables.map(({ table }) => table))], limits, logger, name });
    await log.check();
    await refuseMissingTable(positions.load(name));
    // Before the first order of this process is taken, so that none is committed before the place where reading begins.
    await positions.ensure(name, () => log.first(from));
    const position = await positions.load(name);
    if (position !== undefined) await log.resume(position);
    if (isClosed) throw new ClosedError('change data capture was closed while it started');
    if (!isReading) return;
    running = startCaptureReader({
      name,
      reader: `${hostname()}/${process.pid}`,
      log,
      positions,
      openTurn: () => mysqlCaptureTurn(orm, name),
      readables,
      parts: { encodeHalfMessage, owner },
      sender,
      parking: mysqlParkingLot(orm),
      refused,
      limits,
      clock,
      random,
      logger,
    });
  };
  return {
    async start(listeners) {
      refuseUnmapped(listeners, rowMessages);
      await start();
    },
    // The rows themselves are what is read.
    write: async () => {},
    committed: () => {},
    stats: () => running?.stats(),
    async close(deadlineMs) {
      isClosed = true;
      await running?.close(deadlineMs);
    },
  };
};

const refuseMissingTable = async (loaded: Promise<unknown>): Promise<void> => {
  await loaded.catch((error: unknown) => {
    throw new ConfigurationError(`changeDataCapture needs the table binlog_position; run "checkback migrate up": ${messageOf(error)}`, {
      cause: error,
    });
  });
};

interface LogOptions {
  readonly orm: MikroORM;
  readonly account: BinlogAccount;
  readonly tables: readonly string[];
  readonly limits: CaptureLimits;
  readonly logger: Logger;
  readonly name: string;
}

/** The binlog of MySQL 8.0 and later, or MariaDB 10.6 and later. */
const mysqlChangeLog = ({ orm, account, tables, limits, logger, name }: LogOptions): ChangeLog => {
  let server: BinlogServer | undefined;
  return {
    check: () =>
      withBinlogAccount(account, async (ask) => {
        server = await askWhoItIs(ask);
        await checkSettings(ask, logger);
        await checkGrants(ask, server);
      }),
    first: (from) => withBinlogAccount(account, async (ask) => firstPosition(ask, await askWhoItIs(ask), from)),
    resume: (position) =>
      withBinlogAccount(account, async (ask) => {
        // Asked each time: behind the same address there may be another server by now.
        server = await askWhoItIs(ask);
        return { ...(await resumePoint(ask, server, position)), server: server.id };
      }),
    open: async (from, signal) => {
      if (server === undefined) throw new CaptureStoppedError('the server was not asked who it is', { reason: 'unreadable' });
      return openBinlogStream(
        from,
        {
          account,
          tables,
          bookkeeping: `${orm.config.get('dbName')}.binlog_position`,
          isMariadb: server.isMariadb,
          heartbeatMs: limits.heartbeatMs,
          readAheadRows: limits.readAheadRows,
          maxTransactionRows: limits.maxTransactionRows,
          batch: limits.batch,
          onDdl: (statement) => {
            emitCaptureEvent('ddl', { name, statement });
            logger.warn({ name }, 'a table whose rows are messages was changed; rows that do not fit their entity stop the reader');
          },
        },
        signal,
      );
    },
  };
};
