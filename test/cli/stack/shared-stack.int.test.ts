import { expect, test, describe } from 'vitest';
import { queryMysql } from '../../../src/cli/stack/mysql-probe.ts';
import { createDatabase, createGroup, createTopic, useStack } from '../../support/stack.ts';

describe('The shared test stack', () => {
  test('answers a query in a database of its own', async () => {
    const database = await createDatabase('shared stack');
    await queryMysql(database.url, 'CREATE TABLE t (id INT PRIMARY KEY)');
    expect(await queryMysql(database.url, 'SHOW TABLES')).toHaveLength(1);
    await database.drop();
    await expect(queryMysql(database.url, 'SHOW TABLES')).rejects.toThrow(/Unknown database/);
  });

  test('writes to disk at COMMIT and keeps a row-based binlog', async () => {
    const [row] = (await queryMysql(
      useStack().mysqlUrl,
      'SELECT @@log_bin bin, @@sync_binlog sync, @@innodb_flush_log_at_trx_commit flush, @@binlog_format format, @@character_set_server charset',
    )) as Record<string, unknown>[];
    expect(row).toEqual({ bin: 1, sync: 1, flush: 1, format: 'ROW', charset: 'utf8mb4' });
  });

  test('creates topics and groups in a moment and knows which topics exist', async () => {
    const { admin } = useStack();
    const topic = await createTopic('TRANSACTION', { queues: 2 });
    expect(await admin.topicRoute(topic)).toEqual({ brokers: [{ name: 'broker-a', readQueues: 2, writeQueues: 2 }] });
    await createGroup({ retryMaxTimes: 0 });
    await admin.deleteTopic(topic);
    expect(await admin.topicRoute(topic)).toBeUndefined();
  });

  test('refuses what the broker refuses, in its own words', async () => {
    const { admin } = useStack();
    await expect(admin.createTopic('a topic with spaces', 'NORMAL')).rejects.toThrow(
      /could not create topic a topic with spaces: .*answered \d+: .*illegal/,
    );
    await expect(admin.createTopic('x', 'MIXED' as never)).rejects.toThrow(/type of topic x must be one of TRANSACTION.*got MIXED/);
    await expect(admin.brokerConfig('transactionTimeout')).rejects.toThrow(/has no setting transactionTimeout/);
  });

  test('runs with the timings for check-backs within seconds', async () => {
    const { admin, kind } = useStack();
    if (kind === 'given') return;
    expect(await admin.brokerConfig('transactionTimeOut')).toBe('1000');
    expect(await admin.brokerConfig('autoCreateTopicEnable')).toBe('false');
  });
});
