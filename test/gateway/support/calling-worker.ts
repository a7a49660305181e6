// A worker that makes one call and then waits to be killed: node calling-worker.ts <database url> <bank origin> <key>
import { ENGINE_ENTITIES } from '../../../schema/engine.ts';
import { createGateway } from '../../../src/gateway/gateway.ts';
import { mysqlExternalCallStore } from '../../../src/store/mysql-external-call-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';
import { payment, payOrder } from './payment-call.ts';

const [url = '', bank = '', idempotencyKey = ''] = process.argv.slice(2);
const orm = await openOrm({ url, entities: ENGINE_ENTITIES });
const gateway = createGateway({ origins: { bank }, store: mysqlExternalCallStore(orm) });
await gateway.call(payOrder({ timeouts: { readMs: 60_000, totalMs: 60_000 } }), payment, { idempotencyKey, correlationId: 'killed' });
