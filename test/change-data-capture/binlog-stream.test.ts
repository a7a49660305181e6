import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CaptureStoppedError, ConfigurationError } from '../../src/errors.ts';
import type { Logger } from '../../src/shared/logger.ts';
import { readAhead } from '../../src/store/mysql-binlog-read-ahead.ts';
import { type AskServer, checkGrants, checkSettings, firstPosition, resumePoint } from '../../src/store/mysql-binlog-server.ts';
import { ConnectionGone, endOfDump, explained, watchSilence } from '../../src/store/mysql-binlog-trouble.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { committed } from './support/logged.ts';

describe('What is read ahead', () => {
  it('stops the flow above its limit, and lets it go on below half of it', async () => {
    const flow: string[] = [];
    const ahead = readAhead(4, 1, { pause: () => flow.push('pause'), resume: () => flow.push('resume') });
    for (const position of [1, 2, 3]) ahead.add(committed(position, `${position}`));
    expect(ahead.isPaused).toBe(false);
    ahead.add(committed(4, '4'));
    expect(ahead.isPaused).toBe(true);
    const batches = ahead.batches()[Symbol.asyncIterator]();
    for (const expected of [true, true, false]) {
      await batches.next();
      expect(ahead.isPaused).toBe(expected);
    }
    expect(flow).toEqual(['pause', 'resume']);
  });

  it('keeps of transactions without rows the last, and gives everything before it fails', async () => {
    const ahead = readAhead(100, 10, { pause() {}, resume() {} });
    ahead.add({ ...committed(1), isBookkeeping: true });
    ahead.add(committed(2));
    ahead.add({ ...committed(3), isBookkeeping: true });
    ahead.add(committed(4, 'a'));
    ahead.fail(new Error('gone'));
    const batches = ahead.batches()[Symbol.asyncIterator]();
    const { value } = await batches.next();
    expect(
      (value as { end: { position: number }; isBookkeeping: boolean }[]).map(({ end, isBookkeeping }) => [end.position, isBookkeeping]),
    ).toEqual([
      [3, false],
      [4, false],
    ]);
    await expect(batches.next()).rejects.toThrow('gone');
  });

  it('ends at once when it is told to', async () => {
    const ahead = readAhead(100, 10, { pause() {}, resume() {} });
    const next = ahead.batches()[Symbol.asyncIterator]().next();
    ahead.end();
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

describe('Trouble with the binlog', () => {
  const server = (errno: number): Error => Object.assign(new Error(`errno ${errno}`), { errno });

  it.each([
    ['a place the server does not have', server(1236), 'position-lost'],
    ['an account that may not', server(1227), 'not-permitted'],
    ['an event that cannot be read', new Error('Unsupported type'), 'unreadable'],
    ['a number out of its buffer', new RangeError('out of range'), 'unreadable'],
  ])('stops at %s', (_, error, reason) => {
    expect(explained(error)).toMatchObject({ code: 'CB_CAPTURE_STOPPED', reason });
  });

  it.each([
    ['a connection that was reset', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
    ['a connection that was closed', Object.assign(new Error('closed'), { code: 'PROTOCOL_CONNECTION_LOST' })],
    ['a server that has too many connections', server(1040)],
    ['the end of the binlog', new ConnectionGone('ended')],
    ['the second connection, gone', new Error('Control connection unavailable while fetching column metadata')],
    ['what is explained already', new CaptureStoppedError('x', { reason: 'schema' })],
  ])('lets pass %s', (_, error) => {
    expect(explained(error)).toBe(error);
  });

  it('is told when the server ends the binlog in good order, which the library does not say', () => {
    let answer: (error: Error | null) => void = () => {};
    const failures: unknown[] = [];
    endOfDump({ query: (_, done) => void (answer = done), once: () => {} }, (error) => failures.push(error));
    expect(failures).toEqual([]);
    answer(null);
    expect(failures[0]).toBeInstanceOf(ConnectionGone);
  });

  describe('that nobody tells', () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    it('is seen by silence, and not while we make the server wait', () => {
      let bytes = 0;
      let isPaused = true;
      const failures: unknown[] = [];
      const watch = watchSilence(
        () => bytes,
        1_000,
        () => isPaused,
        (error) => failures.push(error),
      );
      vi.advanceTimersByTime(3_000);
      isPaused = false;
      bytes += 1;
      vi.advanceTimersByTime(1_000);
      expect(failures).toEqual([]);
      vi.advanceTimersByTime(1_000);
      expect(failures[0]).toBeInstanceOf(ConnectionGone);
      watch.stop();
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});

/** A server that answers by the beginning of what it is asked. */
const answering = (answers: Record<string, unknown[] | Error>): AskServer =>
  (async (sql: string) => {
    const found = Object.entries(answers).find(([start]) => sql.startsWith(start));
    if (found === undefined) throw new Error(`not expected: ${sql}`);
    if (found[1] instanceof Error) throw found[1];
    return found[1];
  }) as AskServer;

const GOOD = {
  log_bin: 'ON',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  binlog_row_metadata: 'FULL',
  binlog_row_value_options: '',
  binlog_transaction_compression: 'OFF',
  binlog_expire_logs_seconds: '2592000',
};
const settings = (changes: Record<string, string | undefined>): AskServer =>
  answering({
    'show global variables': Object.entries({ ...GOOD, ...changes }).flatMap(([name, value]) =>
      value === undefined ? [] : [{ Variable_name: name, Value: value }],
    ),
  });

describe('A server for change data capture', () => {
  it('has a binlog of whole rows that says what their columns are', async () => {
    await checkSettings(settings({}), silentLogger);
    // MariaDB has no such settings.
    await checkSettings(settings({ binlog_row_value_options: undefined, binlog_transaction_compression: undefined }), silentLogger);
  });

  it.each([
    ['log_bin', 'OFF'],
    ['binlog_format', 'MIXED'],
    ['binlog_row_image', 'MINIMAL'],
    ['binlog_row_metadata', 'NO_LOG'],
    ['binlog_row_metadata', undefined],
    ['binlog_row_value_options', 'PARTIAL_JSON'],
    ['binlog_transaction_compression', 'ON'],
  ])('is refused with %s = %s', async (name, value) => {
    const refused = checkSettings(settings({ [name]: value }), silentLogger);
    await expect(refused).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refused).rejects.toThrow(name);
  });

  it('is warned of when it keeps its binlog for less than a day', async () => {
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (_, said) => void warnings.push(said) };
    await checkSettings(settings({ binlog_expire_logs_seconds: '3600' }), logger);
    await checkSettings(settings({ binlog_expire_logs_seconds: '0' }), logger);
    expect(warnings).toHaveLength(1);
  });

  it.each([
    ['MariaDB', ['GRANT SELECT ON `shop`.* TO x'], 'GRANT REPLICATION SLAVE, BINLOG MONITOR'],
    ['MariaDB', ['GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO x'], undefined],
    ['MariaDB', ['GRANT ALL PRIVILEGES ON *.* TO x WITH GRANT OPTION'], undefined],
    ['MySQL', ['GRANT REPLICATION SLAVE ON *.* TO x'], 'GRANT REPLICATION CLIENT'],
    ['MySQL', ['GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO x'], undefined],
    ['MySQL', ['GRANT USAGE ON *.* TO x', 'GRANT `readers`@`%` TO x'], undefined],
  ])('%s with %j', async (flavour, grants, missing) => {
    const checked = checkGrants(answering({ 'show grants': grants.map((grant) => ({ grants: grant })) }), {
      isMariadb: flavour === 'MariaDB',
      id: 'one',
    });
    const refusal = await checked.then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(refusal ?? 'none').toContain(missing ?? 'none');
  });

  it('MySQL of 8.4 and before says its place by another name, and its GTIDs when it keeps them', async () => {
    const status = [{ File: 'binlog.000003', Position: 157, Executed_Gtid_Set: 'uuid:1-5,\nother:1-2' }];
    const syntax = Object.assign(new Error('syntax'), { errno: 1064 });
    const old = answering({
      'show binary log status': syntax,
      'show master status': status,
      'select @@global.gtid_mode': [{ mode: 'ON' }],
    });
    expect(await firstPosition(old, { isMariadb: false, id: 'one' }, 'now')).toEqual({
      server: 'one',
      file: 'binlog.000003',
      position: 157,
      gtidSet: 'uuid:1-5,other:1-2',
    });
    const without = answering({ 'show binary log status': status, 'select @@global.gtid_mode': [{ mode: 'OFF' }] });
    expect((await firstPosition(without, { isMariadb: false, id: 'one' }, 'now')).gtidSet).toBeUndefined();
  });

  it('MySQL whose GTIDs do not hold those of the position has begun its binlog anew', async () => {
    const position = { server: 'one', file: 'binlog.000001', position: 100, gtidSet: 'uuid:1-5' };
    const logs = [{ Log_name: 'binlog.000001', File_size: 500 }];
    const mysql = { isMariadb: false, id: 'one' };
    const asked = (known: number): AskServer => answering({ 'show binary logs': logs, 'select gtid_subset': [{ known }] });
    expect(await resumePoint(asked(1), mysql, position)).toMatchObject({ by: 'file' });
    await expect(resumePoint(asked(0), mysql, position)).rejects.toMatchObject({ reason: 'position-lost' });
    await expect(resumePoint(asked(1), mysql, { ...position, position: 501 })).rejects.toMatchObject({ reason: 'position-lost' });
    expect(await resumePoint(asked(1), mysql, { ...position, server: 'two' })).toMatchObject({ by: 'gtid' });
  });
});
