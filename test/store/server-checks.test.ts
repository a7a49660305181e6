import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { inspectServer, refuseMultiplexing } from '../../src/store/server-checks.ts';
import type { SidePool } from '../../src/store/side-pool.ts';

interface Server {
  version?: string;
  readOnly?: number;
  offsetMs?: number;
  variables?: Record<string, string>;
  members?: number;
}

/** Answers as a server with these properties does. */
const server = ({ version = '8.4.3', readOnly = 0, offsetMs = 0, variables = {}, members = 0 }: Server): SidePool =>
  ({
    query: async (text: string) => {
      if (text.startsWith('select version()')) return [{ version, readOnly, now: Date.now() + offsetMs }];
      if (text.startsWith('show global variables'))
        return Object.entries(variables).map(([Variable_name, Value]) => ({ Variable_name, Value }));
      return [{ count: members }];
    },
  }) as unknown as SidePool;

describe('Server inspection', () => {
  it.each([
    ['8.4.3', { name: 'MySQL', shareNowait: 'for share nowait' }],
    ['9.7.0-debian', { name: 'MySQL', shareNowait: 'for share nowait' }],
    ['11.4.5-MariaDB-log', { name: 'MariaDB', shareNowait: 'lock in share mode nowait' }],
    ['10.6.18-MariaDB', { name: 'MariaDB', shareNowait: 'lock in share mode nowait' }],
  ])('takes %s', async (version, flavour) => {
    expect(await inspectServer(server({ version }))).toMatchObject(flavour);
  });

  it.each([
    ['a version without NOWAIT', { version: '5.7.44-log' }, /MySQL 5\.7\.44-log; the fences need MySQL 8\.0 or MariaDB 10\.6/],
    ['a MariaDB without NOWAIT', { version: '10.5.9-MariaDB' }, /MariaDB 10\.5\.9-MariaDB/],
    ['a replica', { readOnly: 1 }, /read-only: give the publisher the primary/],
    ['a Galera node', { variables: { wsrep_on: 'ON', wsrep_provider: '/usr/lib/libgalera_smm.so' } }, /Galera cluster/],
    ['a group with several primaries', { members: 1, variables: { group_replication_single_primary_mode: 'OFF' } }, /several primaries/],
    ['a clock an hour ahead', { offsetMs: 3_600_000 }, /clocks .* differ by (3600|3599) s/],
    ['a clock an hour behind', { offsetMs: -3_600_000 }, /clocks .* differ by -3600 s/],
  ])('refuses %s', async (_what, properties, message) => {
    await expect(inspectServer(server(properties))).rejects.toThrow(message);
    await expect(inspectServer(server(properties))).rejects.toThrow(ConfigurationError);
  });

  it('takes a MariaDB whose Galera library is not loaded, and a group with one primary', async () => {
    await expect(inspectServer(server({ variables: { wsrep_on: 'ON', wsrep_provider: 'none' } }))).resolves.toBeDefined();
    await expect(inspectServer(server({ members: 1, variables: { group_replication_single_primary_mode: 'ON' } }))).resolves.toBeDefined();
  });

  it('refuses a proxy that runs a connection in another session', async () => {
    const behind = (greetedAs: number, runsAs: number) => ({ sessionIds: async () => ({ greetedAs, runsAs }) }) as unknown as SidePool;
    await expect(refuseMultiplexing(behind(7, 7))).resolves.toBeUndefined();
    await expect(refuseMultiplexing(behind(7, 4711))).rejects.toThrow(/connection 7 runs in session 4711/);
  });
});
