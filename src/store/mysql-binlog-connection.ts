import type { MikroORM } from '@mikro-orm/mysql';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { ConfigurationError } from '../errors.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { AskServer } from './mysql-binlog-server.ts';
import { businessPool } from './side-pool.ts';

/** As mysql2 and the binlog library take them. */
export type BinlogAccount = Readonly<Record<string, unknown>>;

const ACCOUNT = ['host', 'port', 'user', 'password', 'ssl', 'socketPath', 'charset', 'authPlugins'] as const;
const ANSWER_MS = 30_000;

/**
 * The account that reads the binlog: the ORM's, or another one of the same server. Throws `ConfigurationError` for a URL that
 * is none, without its password, and for a SQLite file.
 */
export const binlogAccount = async (orm: MikroORM, binlogUrl: string | undefined): Promise<BinlogAccount> => {
  const { connectionConfig } = (await businessPool(orm)).config;
  const own = connectionConfig as Record<string, unknown>;
  const account = Object.fromEntries(ACCOUNT.flatMap((name) => (own[name] == null ? [] : [[name, own[name]]])));
  return { ...account, ...(binlogUrl === undefined ? {} : accountOf(binlogUrl)), ...SETTINGS };
};

/** Values as the ORM's own connections give them: exact, and dates as the text that the server has. */
const SETTINGS = {
  connectTimeout: 10_000,
  enableKeepAlive: true,
  keepAliveInitialDelay: 10_000,
  timezone: 'Z',
  dateStrings: true,
  jsonStrings: true,
  supportBigNumbers: true,
  bigNumberStrings: true,
} as const;

const accountOf = (text: string): BinlogAccount => {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigurationError('binlogUrl must look like mysql://user:password@host:3306');
  }
  if (url.protocol !== 'mysql:' || url.hostname === '')
    throw new ConfigurationError(`binlogUrl must look like mysql://user:password@host:3306, got ${url.protocol}//${url.host}`);
  return {
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    socketPath: undefined,
  };
};

/** Asks on one connection of that account, for as long as `work` runs. */
export const withBinlogAccount = async <T>(account: BinlogAccount, work: (ask: AskServer) => Promise<T>): Promise<T> => {
  const connection: Connection = await createConnection({ ...account });
  connection.on('error', () => {});
  try {
    return await work(async (sql, ...parameters) => {
      const answer = connection.query<RowDataPacket[]>(sql, parameters);
      const [rows] = await withDeadline(answer, ANSWER_MS, () => new Error(`the database did not answer within ${ANSWER_MS} ms`));
      return rows as never;
    });
  } finally {
    connection.destroy();
  }
};
