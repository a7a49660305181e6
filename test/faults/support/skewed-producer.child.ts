/**
 * A producer whose clock is wrong: every Date of this process is off by CLOCK_OFFSET_MS. Publishes `ORDERS` orders under
 * each strategy, none of which sends its END, answers check-backs until its input ends, and says what became of them.
 */
const offsetMs = Number(process.env['CLOCK_OFFSET_MS']);
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(RealDate.now() + offsetMs);
    else super(...(given as [number]));
  }
  static override now(): number {
    return RealDate.now() + offsetMs;
  }
} as DateConstructor;

// After the clock is wrong: some modules keep what they see first.
const { MikroORM } = await import('@mikro-orm/mysql');
const { OrderEntity, TransactionMarkerEntity } = await import('../../../schema/index.ts');
const { TransactionalPublisher, mysqlTransactionDatabase, rocketmq, onTransactionEvent } = await import('../../../src/index.ts');
const { anOrder } = await import('../../support/publishing-listeners.ts');
const { watchedBroker } = await import('../../support/publishing-brokers.ts');
const { STRATEGIES, orderListener } = await import('./strategies.ts');

const env = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};
const tell = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

const orm = await MikroORM.init({
  clientUrl: env('CHECKBACK_MYSQL_URL'),
  entities: [OrderEntity, TransactionMarkerEntity],
  timezone: 'Z',
  debug: false,
});
const listeners = STRATEGIES.map((strategy) =>
  orderListener(env('CHECKBACK_TEST_TOPIC'), strategy, (execute) => async (em, order, context) => {
    const decision = await execute(em, order, context);
    await em.flush();
    return order.customerId === 'declined' ? 'ROLLBACK' : decision;
  }),
);
onTransactionEvent('checked', ({ transactionId, resolution, listener }) => tell({ checked: transactionId, resolution, listener }));
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: watchedBroker(rocketmq({ endpoints: env('CHECKBACK_ROCKETMQ_ENDPOINTS') }), () => true),
  database: mysqlTransactionDatabase(orm),
  listeners,
});
const work = listeners.flatMap((listener) =>
  ['taken', 'declined'].map(async (customerId) => {
    const orderId = `${listener.name}-${customerId}`;
    const outcome = await publisher.publish(listener, anOrder(orderId, { customerId })).then(
      () => 'committed',
      (error: unknown) => (error as { code: string }).code,
    );
    tell({ orderId, outcome });
  }),
);
await Promise.all(work);
tell({ published: work.length, at: new Date().toISOString() });

process.stdin.resume();
process.stdin.once('end', () => {
  void (async () => {
    await publisher.close(5_000);
    await orm.close(true);
  })();
});
