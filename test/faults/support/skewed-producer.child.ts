/**
 * A producer whose clock is wrong: every Date of this process is off by CLOCK_OFFSET_MS, from the beginning or, with
 * CLOCK_STEPS, from when it has started. Publishes an order of each kind under each strategy, none of which sends its
 * END, answers check-backs until it is sent a line, and says what became of them.
 */
const fullOffsetMs = Number(process.env['CLOCK_OFFSET_MS']);
const isSteppedLater = process.env['CLOCK_STEPS'] === 'later';
let offsetMs = isSteppedLater ? 0 : fullOffsetMs;
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

const questions = new Map<string, PromiseWithResolvers<void>>();
function question(transactionId: string): PromiseWithResolvers<void> {
  const known = questions.get(transactionId) ?? Promise.withResolvers<void>();
  questions.set(transactionId, known);
  return known;
}
/** Resolves when the broker has asked about the transaction for the first time. */
const asked = (transactionId: string): Promise<void> => question(transactionId).promise;

const orm = await MikroORM.init({
  clientUrl: env('CHECKBACK_MYSQL_URL'),
  entities: [OrderEntity, TransactionMarkerEntity],
  timezone: 'Z',
  debug: false,
});
const listeners = STRATEGIES.map((strategy) =>
  orderListener(env('CHECKBACK_TEST_TOPIC'), strategy, (execute) => async (em, order, context) => {
    // Asked while its row is not there: nothing but the fence keeps the answer from being ROLLBACK.
    if (order.customerId === 'asked') await asked(context.transactionId);
    const decision = await execute(em, order, context);
    await em.flush();
    return order.customerId === 'declined' ? 'ROLLBACK' : decision;
  }),
);
onTransactionEvent('checked', ({ transactionId, resolution }) => {
  tell({ checked: transactionId, resolution });
  question(transactionId).resolve();
});
onTransactionEvent('half-sent', ({ transactionId }) => tell({ half: transactionId }));
const publisher = await TransactionalPublisher.start({
  owner: 'shop',
  broker: watchedBroker(rocketmq({ endpoints: env('CHECKBACK_ROCKETMQ_ENDPOINTS') }), () => true),
  database: mysqlTransactionDatabase(orm),
  listeners,
  transactionTimeoutMs: 60_000,
});
offsetMs = fullOffsetMs;
const work = listeners.flatMap((listener) =>
  // With the half message sent late there is nothing to ask about while the transaction is open.
  ['taken', 'declined', ...(listener.half === 'beforeCommit' ? [] : ['asked'])].map(async (customerId) => {
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

// The end of its input is the end of the test, however that ends.
const stop = async (): Promise<void> => {
  process.stdin.destroy();
  await publisher.close(5_000);
  await orm.close(true);
};
process.stdin.once('data', () => void stop()).once('end', () => void stop());
