import { describe, expect, it } from 'vitest';
import { runDemoCommand } from '../support/demo-run.ts';
import { createDatabase, useStack } from '../support/stack.ts';

describe('checkback demo', () => {
  it.runIf(process.platform === 'linux')(
    'tells its four stories on a given stack, exits 0 and leaves no process',
    async () => {
      const { endpoints, namesrvAddress } = useStack();
      const database = await createDatabase('demo');
      try {
        const told = await runDemoCommand(['--stack', 'given'], {
          CHECKBACK_ROCKETMQ_ENDPOINTS: endpoints,
          CHECKBACK_ROCKETMQ_NAMESRV: namesrvAddress,
          CHECKBACK_MYSQL_URL: database.url,
        });
        expect(told).toMatch(/MySQL has committed the order/);
      } finally {
        await database.drop();
      }
    },
    180_000,
  );
});
