// A checker that stops for ever between the bank's answer and its own record of it, to be killed there:
// node doomed-checker.child.ts <database url> <bank origin>. Prints a line when it is there.
import { ENGINE_ENTITIES } from '../../../schema/engine.ts';
import { startStatusChecker } from '../../../src/status-check/status-checker.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { partsOn, payingListener } from './bank-checker.ts';

const [url = '', bank = ''] = process.argv.slice(2);
const orm = await openOrm({ url, entities: ENGINE_ENTITIES });
const parts = partsOn(orm, bank);
startStatusChecker({
  ...parts,
  calls: {
    resolveUnknown: (_call, _key, to) => {
      process.stdout.write(`answered ${to}\n`);
      return new Promise(() => {});
    },
  },
  listeners: [payingListener()],
  sweepMs: 100,
});
