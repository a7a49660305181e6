import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ENGINE_MIGRATIONS } from '../../schema/index.ts';
import { type TestDatabase, createDatabase } from '../support/stack.ts';
import { runCheckback } from './support/run-checkback.ts';

const NEWEST = ENGINE_MIGRATIONS.at(-1)!.name;
let home: TestDatabase;

beforeAll(async () => {
  home = await createDatabase('migrate');
});

afterAll(() => home?.drop());

const migrate = (action: string) =>
  runCheckback(['migrate', action], { CHECKBACK_MYSQL_URL: home.url, CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1' });

describe('checkback migrate', () => {
  it('lists what is pending, applies it, takes the newest back, and says so each time', async () => {
    const before = await migrate('status');
    expect(before.stdout.match(/^pending {2}/gm)).toHaveLength(ENGINE_MIGRATIONS.length + 1);
    expect(before.code).toBe(1);

    const up = await migrate('up');
    expect(up.stdout).toMatch(
      /applied {2}Migration20260101000000Orders\napplied {2}Migration20260101000100ExternalCall\napplied {2}Migration20260101000200TransactionMarker\n/,
    );
    expect(up.code).toBe(0);
    expect(await migrate('up')).toMatchObject({ code: 0, stdout: 'nothing to do: every migration is applied\n' });
    expect(await migrate('status')).toMatchObject({ code: 0, stdout: expect.not.stringContaining('pending') as string });

    expect(await migrate('down')).toMatchObject({ code: 0, stdout: `taken back  ${NEWEST}\n` });
    expect((await migrate('status')).stdout).toContain(`pending  ${NEWEST}\n`);
    expect((await migrate('up')).stdout).toBe(`applied  ${NEWEST}\n`);
  });

  it('finds what is to be purged, of which there is nothing yet', async () => {
    await migrate('up');
    expect(await runCheckback(['purge'], { CHECKBACK_MYSQL_URL: home.url, CHECKBACK_ROCKETMQ_ENDPOINTS: '127.0.0.1:1' })).toMatchObject({
      code: 0,
      stdout: '0 transaction markers and 0 records of processed messages removed\n',
    });
  });
});
