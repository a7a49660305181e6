import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteFile } from '../../src/store/sqlite-file.ts';
import { loadSqlite } from '../../src/store/sqlite-package.ts';
import { createSqlite, type TestSqlite } from '../support/sqlite.ts';

describe('A transaction on a SQLite file', () => {
  let home: TestSqlite;
  let file: SqliteFile;
  beforeEach(async () => {
    home = await createSqlite();
    file = await SqliteFile.open(home.path, (await loadSqlite()).Database, 5);
  });
  afterEach(async () => {
    file.close();
    file.close();
    await home.drop();
  });
  const insert = (id: string) => [`insert into transaction_marker (id, state) values (?, 1)`, [id]] as const;
  const ids = async () => (await file.run('select id from transaction_marker order by id', [])).rows.map(({ id }) => id);

  it('refuses a statement that was on its way when it ended, so that none runs outside of it', async () => {
    const transaction = await file.begin();
    await transaction.run(...insert('a'));
    const late = transaction.run(...insert('late'));
    transaction.commit();
    await expect(late).rejects.toThrow('the transaction is over');
    expect(await ids()).toEqual(['a']);
  });

  it('notices that SQLite has rolled it back, and runs nothing more', async () => {
    const transaction = await file.begin();
    await transaction.run('rollback', []);
    await expect(transaction.run(...insert('outside'))).rejects.toThrow('was rolled back by SQLite');
    expect(() => transaction.commit()).toThrow('was rolled back by SQLite');
    transaction.rollback();
    expect(await ids()).toEqual([]);
  });

  it('gives its turn back however it ends, once', async () => {
    for (const end of ['commit', 'rollback', 'commit'] as const) {
      const transaction = await file.begin();
      transaction[end]();
      transaction.rollback();
    }
    const [one, two] = [file.begin(), file.begin()];
    (await one).rollback();
    (await two).rollback();
  });
});
