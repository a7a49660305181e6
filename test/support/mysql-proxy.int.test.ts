import { type Connection, createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type MysqlProxy, READ_ONLY, TOO_MANY_CONNECTIONS, startMysqlProxy } from './mysql-proxy.ts';
import { type TestDatabase, createDatabase } from './stack.ts';

let home: TestDatabase;
let proxy: MysqlProxy;
let direct: Connection;
const opened: Connection[] = [];
const open = async (): Promise<Connection> => {
  const connection = await createConnection({ uri: proxy.through(home.url), connectTimeout: 2_000 });
  connection.on('error', () => {});
  opened.push(connection);
  return connection;
};
const ids = async (): Promise<number[]> =>
  ((await direct.query('select id from t order by id'))[0] as { id: number }[]).map(({ id }) => id);

beforeAll(async () => {
  home = await createDatabase('mysql_proxy');
  direct = await createConnection(home.url);
  await direct.query('create table t (id int primary key, text longtext)');
  proxy = await startMysqlProxy(home.url);
});
beforeEach(async () => {
  proxy.pass();
  await direct.query('delete from t');
});
afterAll(async () => {
  for (const connection of opened) connection.destroy();
  await proxy?.[Symbol.asyncDispose]();
  direct?.destroy();
  await home?.drop();
});

describe('The MySQL proxy on a real server', () => {
  it('passes rows, errors, long values and several results unchanged, and notes every statement with its session', async () => {
    const connection = await open();
    const before = proxy.statements.length;
    const long = 'x'.repeat(300_000);
    await connection.query('insert into t values (?, ?), (2, null)', [1, long]);
    const [rows] = await connection.query('select * from t order by id');
    expect(rows).toEqual([
      { id: 1, text: long },
      { id: 2, text: null },
    ]);
    await expect(connection.query('insert into t values (1, null)')).rejects.toMatchObject({ errno: 1062 });
    await expect(connection.query('select nonsense')).rejects.toMatchObject({ errno: 1054 });
    const [[self]] = (await connection.query('select connection_id() as id')) as unknown as [[{ id: number }]];
    const seen = proxy.statements.slice(before);
    expect(seen.map(({ text, answered }) => [text.slice(0, 11), answered])).toEqual([
      ['insert into', 'ok'],
      ['select * fr', 'rows'],
      ['insert into', 'error'],
      ['select nons', 'error'],
      ['select conn', 'rows'],
    ]);
    expect(new Set(seen.map(({ threadId }) => threadId))).toEqual(new Set([self.id]));
  });

  it.each([
    ['after the server applied it', true, [1]],
    ['before it is forwarded', false, []],
  ] as const)('loses exactly the OK of a COMMIT, %s', async (_when, isApplied, there) => {
    const connection = await open();
    await connection.beginTransaction();
    await connection.query('insert into t values (1, null)');
    const struck = proxy.intercept(/^commit$/i, async (commit) => {
      if (isApplied) await commit.forward();
      commit.cut();
    });
    await expect(connection.commit()).rejects.toMatchObject({ fatal: true });
    await struck;
    await expect.poll(ids).toEqual(there);
    // Only the next one that matches.
    const other = await open();
    await other.query('commit');
  });

  it('holds a COMMIT back until the test lets it pass', async () => {
    const connection = await open();
    await connection.beginTransaction();
    await connection.query('insert into t values (1, null)');
    const gate = Promise.withResolvers<void>();
    const story: string[] = [];
    const struck = proxy.intercept(/^commit$/i, async (commit) => {
      await gate.promise;
      commit.pass();
    });
    const committing = connection.commit().then(() => story.push('answered'));
    expect(await ids()).toEqual([]);
    story.push('opened');
    gate.resolve();
    await Promise.all([struck, committing]);
    expect(story).toEqual(['opened', 'answered']);
    expect(await ids()).toEqual([1]);
  });

  it('runs a statement whose client is gone', async () => {
    const connection = await open();
    await connection.beginTransaction();
    await connection.query('insert into t values (1, null)');
    const struck = proxy.intercept(/^commit$/i, async (commit) => {
      commit.cutClient();
      expect(await commit.forward()).toBe('ok');
      commit.cut();
    });
    await expect(connection.commit()).rejects.toMatchObject({ fatal: true });
    await struck;
    expect(await ids()).toEqual([1]);
  });

  it('answers an error in the place of the server, which hears nothing', async () => {
    const connection = await open();
    const struck = proxy.intercept(/^insert/i, (insert) => insert.refuse(READ_ONLY));
    await expect(connection.query('insert into t values (1, null)')).rejects.toMatchObject({ errno: 1290, sqlState: 'HY000' });
    await struck;
    expect(await ids()).toEqual([]);
    await connection.query('insert into t values (2, null)');
    expect(await ids()).toEqual([2]);
  });

  it('refuses connections with an error, or by resetting them, and takes them again', async () => {
    proxy.refuseConnections(TOO_MANY_CONNECTIONS);
    await expect(open()).rejects.toMatchObject({ errno: 1040 });
    proxy.goDown();
    await expect(open()).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|PROTOCOL_CONNECTION_LOST|EPIPE/) });
    proxy.pass();
    await expect(open().then((connection) => connection.query('select 1'))).resolves.toBeDefined();
  });

  it('swallows what is sent, and says nothing', async () => {
    const connection = await open();
    proxy.swallow();
    await expect(connection.query({ sql: 'insert into t values (1, null)', timeout: 200 })).rejects.toMatchObject({
      code: 'PROTOCOL_SEQUENCE_TIMEOUT',
    });
    await expect(createConnection({ uri: proxy.through(home.url), connectTimeout: 200 })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    expect(await ids()).toEqual([]);
  });

  it('ends the session of a client that is gone', async () => {
    const connection = await open();
    const { threadId } = connection;
    const sessions = async (): Promise<number[]> => ((await direct.query('show processlist'))[0] as { Id: number }[]).map(({ Id }) => Id);
    expect(await sessions()).toContain(threadId);
    connection.destroy();
    await expect.poll(sessions).not.toContain(threadId);
  });
});
