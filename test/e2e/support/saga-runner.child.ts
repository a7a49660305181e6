// A saga runner that lives until it is killed: node saga-runner.child.ts <json>. Tells each step it has recorded.
import { ENGINE_ENTITIES, OrderEntity } from '../../../schema/index.ts';
import { fulfilOrder } from '../../../listeners/sagas/fulfil-order.saga.ts';
import { createGateway, mysqlExternalCallStore } from '../../../src/index.ts';
import { onSagaEvent } from '../../../src/saga/saga-diagnostics.ts';
import { startSagaRunner } from '../../../src/saga/saga-runner.ts';
import { mysqlSagaStore } from '../../../src/store/mysql-saga-store.ts';
import { openOrm } from '../../../src/store/open-orm.ts';

export interface RunnerTask {
  readonly mysqlUrl: string;
  readonly origins: Readonly<Record<string, string>>;
  /** Kills itself as soon as it has recorded a step. */
  readonly diesAfterStep: boolean;
  /** Kills itself in the transaction of this local step, its writes done. */
  readonly diesWithin?: string | undefined;
}

const { mysqlUrl, origins, diesAfterStep, diesWithin } = JSON.parse(process.argv[2]!) as RunnerTask;
// No handler runs and no buffer is flushed: the operating system ends us within this call.
const die = (): void => void process.kill(process.pid, 'SIGKILL');
onSagaEvent('step-done', () => diesAfterStep && die());

const orm = await openOrm({ url: mysqlUrl, entities: [...ENGINE_ENTITIES, OrderEntity] });
const calls = mysqlExternalCallStore(orm);
const store = mysqlSagaStore(orm);
const { recordWith } = store;
store.recordWith = (claimed, work) =>
  recordWith.call(store, claimed, async (em) => {
    const change = await work(em);
    if (`${change.step.name} ${change.step.direction}` === diesWithin) die();
    return change;
  });
startSagaRunner({ sagas: [fulfilOrder], store, gateway: createGateway({ origins, store: calls }), calls, pollMs: 50, leaseMs: 1_000 });
