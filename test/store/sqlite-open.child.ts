import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { ENGINE_ENTITIES } from '../../schema/engine.ts';
import { mysqlExternalCallStore } from '../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../src/store/open-orm.ts';

/** A process that opens the calls it is sent, one key a line, and prints what it was told. */
const orm = await openOrm({ url: process.argv[2]!, entities: ENGINE_ENTITIES });
const store = mysqlExternalCallStore(orm);
writeSync(1, '{"kind":"ready"}\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { keys } = JSON.parse(line) as { keys: readonly string[] | undefined };
  if (keys === undefined) break;
  const results = await Promise.all(
    keys.map(async (idempotencyKey) => {
      const request = {
        callName: 'pay',
        idempotencyKey,
        correlationId: 'c',
        origin: 'bank',
        method: 'POST',
        path: '/',
        headers: '[]',
        body: undefined,
      };
      const { kind } = await store.open({ ...request, openedAt: new Date() }, 60_000);
      return { key: idempotencyKey, kind };
    }),
  );
  writeSync(1, `${JSON.stringify({ kind: 'opened', results })}\n`);
}
await orm.close(true);
process.stdin.destroy();
