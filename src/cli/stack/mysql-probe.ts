import { createConnection, type Connection } from 'mysql2/promise';

/** Asks the database one question on a connection of its own. Rejects when it gave no answer within `timeoutMs`. */
export async function queryMysql(url: string, sql: string, timeoutMs = 5000): Promise<unknown[]> {
  return withConnection(url, timeoutMs, async (connection) => {
    const [rows] = await connection.query({ sql, timeout: timeoutMs });
    return Array.isArray(rows) ? rows : [];
  });
}

/** Creates the database named in the URL's path unless it is there, utf8mb4, and asks it one question. */
export async function ensureDatabase(url: string, timeoutMs = 5000): Promise<void> {
  const { server, database } = splitDatabase(url);
  await queryMysql(server, `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4`, timeoutMs);
  await queryMysql(url, 'SELECT 1', timeoutMs);
}

/** The URL of the server and the name of the database in it. Throws `RangeError` on anything that is not `mysql://…/name`. */
export function splitDatabase(url: string): { server: string; database: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const database = decodeURIComponent(parsed?.pathname.slice(1) ?? '');
  // The password may be in there: the message must not repeat the URL.
  if (parsed?.protocol !== 'mysql:' || !/^[\w$-]{1,64}$/.test(database))
    throw new RangeError('a MySQL URL must look like mysql://user:password@host:port/database');
  parsed.pathname = '/';
  return { server: parsed.href, database };
}

async function withConnection<T>(url: string, connectTimeout: number, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await createConnection({ uri: url, connectTimeout });
  try {
    return await work(connection);
  } finally {
    // Not end(): a frozen server would keep us waiting for its goodbye.
    connection.destroy();
  }
}
