import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { writeConfiguration } from '../../../src/cli/stack/docker-stack.ts';
import { dockerFile } from '../../../src/cli/stack/project-files.ts';
import { formatProperties, parseProperties } from '../../../src/cli/stack/properties-file.ts';
import { brokerSettings, proxySettings } from '../../../src/cli/stack/rocketmq-profile.ts';

const ports = { grpc: 1001, proxyRemoting: 1002, namesrv: 1003, broker: 1011, mysql: 1005 };
const production = brokerSettings({ profile: 'production' }, ports, '127.0.0.1');
const timings = brokerSettings({ profile: 'test' }, ports, '127.0.0.1');

describe('A properties file', () => {
  test('is read without comments, sections and blanks, and written back', () => {
    expect(parseProperties('# c\n[mysqld]\n\n a = 1=2 \n; d\nskip_x\n')).toEqual({ a: '1=2', skip_x: 'ON' });
    expect(parseProperties(formatProperties(production))).toEqual(production);
  });
});

describe('The broker configuration', () => {
  test('is in production what docker/rocketmq/broker.conf recommends, on this stack’s ports', () => {
    expect(production).toMatchObject({
      flushDiskType: 'SYNC_FLUSH',
      transactionTimeOut: '30000',
      transactionCheckMax: '1000',
      transactionOpBatchInterval: '500',
      autoCreateTopicEnable: 'false',
      listenPort: '1011',
      bindAddress: '127.0.0.1',
    });
    expect(proxySettings('production', ports)).toEqual({
      rocketMQClusterName: 'DefaultCluster',
      grpcServerPort: 1001,
      remotingListenPort: 1002,
      transactionDataExpireMillis: 600_000,
      enableBatchAck: true,
    });
  });

  test('keeps in test what is not a matter of timing', () => {
    expect(timings).toMatchObject({
      transactionTimeOut: '1000',
      transactionCheckInterval: '1000',
      transactionCheckMax: '1000',
      autoCreateTopicEnable: 'false',
    });
    expect(proxySettings('test', ports)).toMatchObject({ transactionDataExpireMillis: 600_000, topicRouteServiceCacheRefreshSeconds: 1 });
  });

  test('takes another time until the first check-back, and no nonsense', () => {
    expect(brokerSettings({ profile: 'test', transactionTimeOutMs: 6000 }, ports, '127.0.0.1')).toMatchObject({
      transactionTimeOut: '6000',
    });
    for (const value of [0, -1, 1.5, Number.NaN]) {
      expect(() => brokerSettings({ profile: 'test', transactionTimeOutMs: value }, ports, '127.0.0.1')).toThrow(
        `transactionTimeOutMs must be a whole number of milliseconds above 0, got ${value}`,
      );
    }
  });

  test.each(['rocketmq/broker.conf', 'mysql/my.cnf'])('explains every setting of docker/%s in a comment above it', (file) => {
    const blocks = readFileSync(dockerFile(...file.split('/')), 'utf8').split('\n\n');
    for (const block of blocks.filter((candidate) => /^[a-zA-Z_]+=/m.test(candidate))) expect(block).toMatch(/^(\[mysqld\]\n)?#/);
  });

  test('names every proxy setting in docker/rocketmq/README.md', () => {
    const readme = readFileSync(dockerFile('rocketmq', 'README.md'), 'utf8');
    for (const key of Object.keys(JSON.parse(readFileSync(dockerFile('rocketmq', 'rmq-proxy.json'), 'utf8')) as object))
      expect(readme).toContain(`| \`${key}\` |`);
  });
});

type Service = { image: string; ports: string[]; volumes?: string[]; command?: string[] };
const compose = parse(readFileSync(dockerFile('compose.yaml'), 'utf8')) as { services: Record<string, Service> };
const fill = (text: string, variables: Record<string, string>): string =>
  text.replace(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, otherwise: string) => variables[name] ?? otherwise);

describe('docker/compose.yaml', () => {
  test('takes image names, ports and the configuration folder from what the stack writes', () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'checkback-docker-'));
    const envFile = writeConfiguration({ dataDir, profile: 'production', images: { rocketmq: 'local/rmq:1' } }, ports);
    const variables = Object.fromEntries(
      [...readFileSync(envFile, 'utf8').matchAll(/^(\w+)='(.*)'$/gm)].map(([, name, value]) => [name!, value!]),
    );
    const { broker, namesrv, mysql } = compose.services as Record<'broker' | 'namesrv' | 'mysql', Service>;
    expect([broker, namesrv, mysql].map(({ image }) => fill(image, variables))).toEqual(['local/rmq:1', 'local/rmq:1', 'mysql:8.4']);
    expect(broker.ports.map((port) => fill(port, variables))).toEqual(['127.0.0.1:1001:1001', '127.0.0.1:1011:1011']);
    expect(fill(namesrv.ports[0]!, variables)).toBe('127.0.0.1:1003:9876');
    expect(fill(mysql.ports[0]!, variables)).toBe('127.0.0.1:1005:3306');
    // The folders it mounts hold the files its command names.
    const mounted = fill(broker.volumes![0]!, variables).split(':')[0]!;
    for (const path of broker.command!.filter((word) => word.startsWith('/checkback/')))
      readFileSync(join(mounted, path.slice('/checkback/'.length)));
    expect(parseProperties(readFileSync(join(mounted, 'broker.conf'), 'utf8'))).toMatchObject({
      bindAddress: '0.0.0.0',
      brokerIP1: '127.0.0.1',
      listenPort: '1011',
    });
    readFileSync(fill(mysql.volumes![0]!, variables).split(':')[0]!);
    rmSync(dataDir, { recursive: true });
  });

  test('runs by itself with the shipped configuration, each RocketMQ port the same outside as inside', () => {
    const shipped = {
      ...parseProperties(readFileSync(dockerFile('rocketmq', 'broker.conf'), 'utf8')),
      ...(JSON.parse(readFileSync(dockerFile('rocketmq', 'rmq-proxy.json'), 'utf8')) as object),
    };
    const { listenPort, grpcServerPort } = shipped as unknown as Record<string, string | number>;
    const published = compose.services['broker']!.ports.map((port) => fill(port, {}));
    expect(published).toEqual([`127.0.0.1:${grpcServerPort}:${grpcServerPort}`, `127.0.0.1:${listenPort}:${listenPort}`]);
    expect(fill(compose.services['broker']!.volumes![0]!, {})).toBe('./rocketmq:/checkback:ro');
  });
});
