import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/cli/config.ts';
import type { CheckbackConfig } from '../../src/cli/define-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'checkback-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('The configuration file', () => {
  it('may have every field there is, and hands each on', async () => {
    const config = {
      owner: 'shop',
      endpoints: '127.0.0.1:1',
      databaseUrl: 'mysql://h/d',
      entities: [],
      migrations: [],
      strategy: 'changeDataCapture',
      outbox: { relay: false },
      changeDataCapture: { rowMessages: [], from: 'now' },
      segmentedLog: { directory: '/var/lib/shop', onAppendFailure: 'report' },
      transactionListeners: [],
      messageListeners: [],
      sagas: [],
      origins: {},
      gateway: {},
      worker: {},
      statusChecks: {},
      deadLetters: {},
      compensations: [],
      sagaRunner: {},
      reconciliation: {},
      alerts: {},
      metrics: { port: 9464 },
      ops: {},
    } as const satisfies Required<CheckbackConfig>;
    const file = join(folder, 'checkback.config.mjs');
    writeFileSync(file, `export default ${JSON.stringify(config)};`);
    expect(await loadConfig(file, {})).toMatchObject(config);
  });
});
