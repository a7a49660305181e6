import { describe, expect, it } from 'vitest';
import { ENGINE_ENTITIES } from '../../schema/index.ts';
import { chargePayment, fulfilOrder, placeOrder } from '../../listeners/index.ts';
import { defineExternalCall, defineMessageListener } from '../../src/index.ts';
import { judgeGroup } from '../../src/cli/doctor/broker-checks.ts';
import { judgeClock, judgeDisk, judgeSettings } from '../../src/cli/doctor/broker-state.ts';
import { judgeOffset } from '../../src/cli/doctor/database-checks.ts';
import { judgeVariables } from '../../src/cli/doctor/durability.ts';
import { isLoopback, judgeCertificate } from '../../src/cli/doctor/encryption.ts';
import { expectedGroups, expectedTopics } from '../../src/cli/doctor/expected-broker.ts';
import { judgeGrants, neededOn } from '../../src/cli/doctor/grants.ts';
import { judgeNode, judgeSpace } from '../../src/cli/doctor/machine-checks.ts';
import { judgeReplicationGrants } from '../../src/cli/doctor/replication-grants.ts';
import { judgeOrigins } from '../../src/cli/doctor/origins.ts';

const verdicts = (findings: readonly { verdict: string }[]): string[] => findings.map(({ verdict }) => verdict);

describe('The doctor expects of a configuration', () => {
  const config = {
    transactionListeners: [placeOrder],
    messageListeners: [defineMessageListener({ ...chargePayment, retry: { maxDeliveries: 30 } })],
    statusChecks: { timerTopic: 'timers' },
  };

  it('each topic once, with the type its most particular use needs', () => {
    expect(expectedTopics(config).map(({ topic, type }) => [topic, type])).toEqual([
      ['orders', 'TRANSACTION'],
      ['timers', 'DELAY'],
    ]);
    expect(expectedTopics({ ...config, strategy: 'pollingOutbox' })[0]).toMatchObject({ topic: 'orders', type: 'NORMAL' });
    expect(expectedTopics({ messageListeners: [chargePayment] })).toMatchObject([{ topic: 'orders', type: undefined }]);
  });

  it('the groups of listeners and timers, and those that drain dead letters', () => {
    expect(expectedGroups(config).map(({ group, maxDeliveries }) => [group, maxDeliveries])).toEqual([
      ['payment-workers', 30],
      ['payment-workers-dlq-drain', 1],
      ['checkback-status-checks', 1],
    ]);
    expect(expectedGroups({ ...config, deadLetters: { drainBroker: false } }).map(({ group }) => group)).not.toContain(
      'payment-workers-dlq-drain',
    );
  });
});

describe('The doctor judges', () => {
  it.each([
    ['24.0.0', 'ok'],
    ['26.1.0', 'ok'],
    ['22.20.1', 'fail'],
  ])('Node %s as %s', (version, verdict) => {
    expect(judgeNode(version).verdict).toBe(verdict);
  });

  it.each([
    ['a missing group', undefined, 'fail'],
    ['a limit below the listener’s own', 14, 'fail'],
    ['a limit just above it', 16, 'warn'],
    ['the recommended limit', 1_000, 'ok'],
  ])('%s', (_what, retryMaxTimes, verdict) => {
    const group = retryMaxTimes === undefined ? undefined : { retryMaxTimes };
    const found = [
      { master: { name: 'a', address: 'a:1' }, group: { retryMaxTimes: 1_000 } },
      { master: { name: 'b', address: 'b:1' }, group },
    ];
    expect(judgeGroup({ group: 'g', maxDeliveries: 16, by: 'listener' }, found).verdict).toBe(verdict);
  });

  it('settings of a broker that weaken a promise', () => {
    const settings = (changes: Record<string, string> = {}) =>
      new Map(Object.entries({ flushDiskType: 'SYNC_FLUSH', transactionCheckMax: '1000', autoCreateTopicEnable: 'false', ...changes }));
    expect(verdicts(judgeSettings(settings(), 'a'))).toEqual(['ok']);
    expect(verdicts(judgeSettings(settings({ flushDiskType: 'ASYNC_FLUSH' }), 'a'))).toEqual(['warn']);
    expect(verdicts(judgeSettings(settings({ transactionCheckMax: '15', autoCreateTopicEnable: 'true' }), 'a'))).toEqual(['warn', 'warn']);
    expect(verdicts(judgeSettings(settings({ rejectTransactionMessage: 'true' }), 'a'))).toEqual(['fail']);
  });

  it.each([
    ['0.50', 'ok'],
    ['0.80', 'warn'],
    ['0.93', 'fail'],
    ['unreadable', 'warn'],
  ])('a broker’s disk at %s as %s', (commitLogDiskRatio, verdict) => {
    expect(judgeDisk({ commitLogDiskRatio, consumeQueueDiskRatio: '0.1' }, new Map(), 'a').verdict).toBe(verdict);
  });

  it.each([
    [0, 'ok'],
    [9_000, 'ok'],
    [-9_000, 'ok'],
    [60_000, 'fail'],
    [-60_000, 'fail'],
  ])('a broker’s clock that is %i ms off as %s', (offsetMs, verdict) => {
    const now = 1_795_475_455_451;
    const bootTimestamp = String(now + offsetMs - ((1 * 60 + 2) * 60 + 3) * 1_000 - 86_400_000);
    const runtime = { bootTimestamp, runtime: '[ 1 days, 1 hours, 2 minutes, 3 seconds ]' };
    expect(judgeClock(runtime, now, now + 2, 'a').verdict).toBe(verdict);
    expect(judgeClock({ bootTimestamp: '1' }, now, now, 'a').verdict).toBe('warn');
  });

  it.each([
    [0, 'ok'],
    [400, 'ok'],
    [5_000, 'warn'],
    [-5_000, 'warn'],
  ])('a database clock that is %i ms off as %s', (offsetMs, verdict) => {
    expect(judgeOffset(offsetMs).verdict).toBe(verdict);
  });

  it('variables of a database that weaken a promise', () => {
    const variables = (changes: Record<string, string> = {}) =>
      new Map(
        Object.entries({
          innodb_flush_log_at_trx_commit: '1',
          sync_binlog: '1',
          log_bin: 'ON',
          binlog_format: 'ROW',
          binlog_row_image: 'FULL',
          max_allowed_packet: '67108864',
          transaction_isolation: 'REPEATABLE-READ',
          ...changes,
        }),
      );
    const judge = (changes?: Record<string, string>, strategy = 'halfMessage') => verdicts(judgeVariables(variables(changes), strategy));
    expect(judge()).toEqual(['ok']);
    expect(judge({ innodb_flush_log_at_trx_commit: '2' })).toEqual(['fail']);
    expect(judge({ sync_binlog: '0' })).toEqual(['warn']);
    expect(judge({ sync_binlog: '0', log_bin: 'OFF' })).toEqual(['ok']);
    expect(judge({ transaction_isolation: 'READ-UNCOMMITTED' })).toEqual(['fail']);
    expect(judge({ transaction_isolation: '', tx_isolation: 'SERIALIZABLE' })).toEqual(['warn']);
    expect(judge({ max_allowed_packet: '1048576' })).toEqual(['warn']);
    expect(judge({ binlog_format: 'STATEMENT' })).toEqual(['ok']);
    expect(judge({ binlog_format: 'STATEMENT' }, 'changeDataCapture')).toEqual(['fail']);
    expect(judge({ log_bin: 'OFF' }, 'changeDataCapture')).toEqual(['fail']);
  });

  it('grants: what is missing fails, evidence that can be changed is worth a warning', () => {
    expect(verdicts(judgeGrants([], []))).toEqual(['ok']);
    expect(judgeGrants(['GRANT UPDATE ON external_call'], [])).toMatchObject([
      { verdict: 'fail', advice: 'GRANT UPDATE ON external_call' },
    ]);
    expect(verdicts(judgeGrants([], ['external_call_attempt']))).toEqual(['warn']);
  });

  it('evidence as written once, whatever else becomes of the tables', () => {
    const tables = ENGINE_ENTITIES.map(({ meta }) => meta.tableName);
    for (const table of ['external_call_attempt', 'external_call_response']) {
      expect(tables).toContain(table);
      expect(neededOn(table)).toEqual(['SELECT', 'INSERT']);
    }
    expect(neededOn('external_call')).toEqual(['SELECT', 'INSERT', 'UPDATE']);
    expect(neededOn('transaction_marker')).toContain('DELETE');
  });

  it.each([
    [['GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION'], 'ok'],
    [['GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `reader`@`%`'], 'ok'],
    [['GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `reader`@`%`'], 'ok'],
    [['GRANT REPLICATION SLAVE ON *.* TO `reader`@`%`'], 'fail'],
    [['GRANT USAGE ON *.* TO `app`@`%`', 'GRANT ALL PRIVILEGES ON `shop`.* TO `app`@`%`'], 'fail'],
  ])('%j of a reader of the binlog', (grants, verdict) => {
    expect(judgeReplicationGrants(grants).verdict).toBe(verdict);
  });

  it('free space', () => {
    expect([10 * 1024 ** 3, 1024 ** 3, 1024 ** 2].map((free) => judgeSpace('/tmp', 'x', free).verdict)).toEqual(['ok', 'warn', 'fail']);
  });

  it('certificates by their time and by whom they are signed', () => {
    const now = new Date('2026-01-01');
    const judge = (validTo: string, refusal?: string) => judgeCertificate({ validTo: new Date(validTo), refusal }, now, 'bank').verdict;
    expect(judge('2026-06-01')).toBe('ok');
    expect(judge('2026-01-10')).toBe('warn');
    expect(judge('2025-12-01')).toBe('fail');
    expect(judge('2026-06-01', 'self-signed certificate')).toBe('fail');
  });

  it('what stays on this machine as needing no TLS', () => {
    expect(['127.0.0.1', 'localhost', '::1', '10.0.0.1', 'db'].map(isLoopback)).toEqual([true, true, true, false, false]);
  });

  it('institutions by what the configuration says of them', () => {
    const judge = (config: Partial<Parameters<typeof judgeOrigins>[0]>) => verdicts(judgeOrigins({ origins: {}, ...config }));
    expect(judge({})).toEqual(['skipped']);
    expect(judge({ messageListeners: [chargePayment] })).toEqual(['fail']);
    expect(judge({ messageListeners: [chargePayment], origins: { bank: 'https://bank.example' } })).toEqual(['ok']);
    expect(judge({ origins: { bank: 'http://bank.example' } })).toEqual(['warn']);
    expect(judge({ origins: { bank: 'https://bank.example/path' } })).toEqual(['fail']);
    expect(judge({ origins: { bank: { url: 'https://bank.example', circuit: false } } })).toEqual(['warn']);
    expect(judge({ sagas: [fulfilOrder] })).toEqual(['fail', 'fail', 'fail']);
    const { name, origin, method, path } = chargePayment.call;
    const unanswerable = defineMessageListener({ ...chargePayment, call: defineExternalCall({ name, origin, method, path }) });
    expect(judge({ messageListeners: [unanswerable], origins: { bank: 'https://bank.example' } })).toEqual(['warn']);
  });

  it('never repeats credentials that somebody put into the address of an institution', () => {
    expect(JSON.stringify(judgeOrigins({ origins: { bank: 'https://me:hunter2@bank.example' } }))).not.toContain('hunter2');
  });
});
