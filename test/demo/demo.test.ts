import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runDemoCommand } from '../support/demo-run.ts';

describe('checkback demo', () => {
  it.runIf(process.platform === 'linux')(
    'tells its four stories on nothing but this package, says how to have them on a real stack, and leaves neither process nor file',
    async () => {
      // A stack named by the environment is not what it runs on unless it is told so.
      const elsewhere = { CHECKBACK_ROCKETMQ_ENDPOINTS: '192.0.2.1:1', CHECKBACK_MYSQL_URL: 'mysql://nobody@192.0.2.1:1/none' };
      const told = await runDemoCommand([], elsewhere, (folder) => expect(readdirSync(join(folder, '.cache'))).toEqual([]));
      expect(told.split('\n').slice(0, 2)).toEqual([
        expect.stringMatching(/on the embedded broker.* and a SQLite file/),
        expect.stringMatching(/npm run demo -- --stack auto/),
      ]);
      expect(told).toMatch(/SQLite has committed the order/);
    },
    120_000,
  );
});
