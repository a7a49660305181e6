import type { MikroORM } from '@mikro-orm/mysql';
import { CompiledQuery, type Kysely } from 'kysely';

/** A Kysely instance bound to one connection, or to a pool; its tables are none of our business. */
// oxlint-disable-next-line typescript/no-explicit-any -- Kysely's own default for "any schema"
export type Connection = Kysely<any>;

/** The pool to the primary, never a replica. Connects to nothing by itself. */
export async function primary(orm: MikroORM): Promise<Connection> {
  const connection = orm.em.getConnection('write');
  await connection.initClient();
  return connection.getClient();
}

/** Runs one statement with parameters and returns its rows. */
export async function query<Row>(connection: Connection, text: string, ...parameters: unknown[]): Promise<Row[]> {
  const result = await connection.executeQuery<Row>(CompiledQuery.raw(text, parameters));
  return result.rows;
}

/** Reserves one connection of the pool for `work`; it goes back when the work settles, or is dropped when it died. */
export async function withConnection<T>(orm: MikroORM, work: (connection: Connection) => Promise<T>): Promise<T> {
  return (await primary(orm)).connection().execute(work);
}
