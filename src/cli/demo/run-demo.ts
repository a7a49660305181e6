import { ExternalCallAttemptEntity, ExternalCallEntity, ExternalCallResponseEntity, OrderEntity } from '../../../schema/index.ts';
import { systemClock } from '../../shared/clock.ts';
import { openDatabase } from '../compose.ts';
import { environment, loadConfig } from '../config.ts';
import type { BankReport } from './bank-process.ts';
import { type DemoProcess, demoModule, startDemoProcess } from './child-process.ts';
import type { Narrator } from './narrator.ts';
import type { ProducerReport, PublishOrder } from './producer-process.ts';

type Database = Awaited<ReturnType<typeof openDatabase>>;

/** How a worker's story must have gone within: check-backs come every second on the demo's broker. */
const PATIENCE_MS = 30_000;

/** Five minutes as shipped; nobody wants to watch that long. Longer than a blind retry would take to show itself. */
const ASK_AFTER_MS = 2_000;

/** What the stories are told on. */
export interface DemoStack {
  readonly endpoints: string;
  readonly databaseUrl: string;
  readonly database: 'MySQL' | 'SQLite';
  /** Where the processes may keep compiled code for one another: they start in half the time. */
  readonly compileCache?: string;
}

const sayings = (database: string): Record<string, string> => ({
  'half-sent': 'half message stored by the broker: durable, and no consumer can see it',
  committed: `${database} has committed the order`,
  'rolled-back': `${database} has rolled the order back`,
  ended: 'END sent to the broker',
  checked: 'check-back: "what became of this transaction?"',
});

/** The four stories, each on processes of their own against a stack that is up. Resolves with whether all ended as they must. */
export async function runDemo(stack: DemoStack, narrator: Narrator, signal: AbortSignal): Promise<boolean> {
  const configFile = demoModule('../../../checkback.config');
  const env: Record<string, string | undefined> = {
    ...environment,
    CHECKBACK_ROCKETMQ_ENDPOINTS: stack.endpoints,
    CHECKBACK_DATABASE_URL: stack.databaseUrl,
    ...(stack.compileCache === undefined ? {} : { NODE_COMPILE_CACHE: stack.compileCache }),
  };
  const says = sayings(stack.database);
  const run = Date.now().toString(36);
  const orders = { a: `order-a-${run}`, b: `order-b-${run}`, c: `order-c-${run}`, d: `order-d-${run}` };
  const processes: DemoProcess<unknown>[] = [];
  const keep = <Report>(child: DemoProcess<Report>): DemoProcess<Report> => {
    processes.push(child);
    return child;
  };
  const startProducer = async (name: string, ...flags: string[]): Promise<DemoProcess<ProducerReport>> => {
    const producer = keep(
      startDemoProcess<ProducerReport>(demoModule('producer-process'), ['--config', configFile, ...flags], env, (report) => {
        if (report.kind !== 'event') return;
        const detail =
          report.resolution === undefined
            ? ''
            : report.name === 'checked'
              ? ` → ${report.resolution}, from the row`
              : `: ${report.resolution}`;
        narrator.step(`${name} ${producer.pid}`, `${says[report.name] ?? report.name}${detail}`);
      }),
    );
    await producer.next((report) => report.kind === 'ready');
    return producer;
  };
  /** Resolves once the caller has its answer and the broker its END, which leaves in the background. */
  const place = async (producer: DemoProcess<ProducerReport>, orderId: string, amountMinor: number): Promise<ProducerReport> => {
    const answer = producer.next((report) => report.kind === 'resolved' || report.kind === 'rejected');
    const ended = producer.next((report) => report.kind === 'event' && report.name === 'ended');
    producer.send({
      correlationId: orderId,
      input: { orderId, customerId: 'customer-1', amountMinor, currency: 'EUR' },
    } satisfies PublishOrder);
    return (await Promise.all([answer, ended]))[0];
  };

  let database: Database | undefined;
  try {
    const bankRequests: string[] = [];
    const bank = keep(
      startDemoProcess<BankReport>(demoModule('bank-process'), [orders.d], env, (report) => {
        if (report.kind === 'question') narrator.step(`bank ${bank.pid}`, `GET ${report.path} → what became of it`);
        if (report.kind !== 'request') return;
        bankRequests.push(report.key);
        narrator.step(
          `bank ${bank.pid}`,
          `POST /payments, idempotency key ${report.key}${report.answered ? ' → 201' : ' … accepts it and never answers'}`,
        );
      }),
    );
    const migrate = startDemoProcess(demoModule('../main'), ['migrate', 'up', '--config', configFile], env);
    const [ready, migrated] = await Promise.all([bank.next((report) => report.kind === 'ready'), migrate.ended]);
    if (migrated !== 0) throw new Error('checkback migrate up failed');
    env['CHECKBACK_ORIGINS'] = `bank=${ready.kind === 'ready' ? ready.origin : ''}`;
    database = await openDatabase(await loadConfig(configFile, env));
    const db = database;
    const [worker, producer] = await Promise.all([
      (async () => {
        const started = keep(
          startDemoProcess<{ kind: string }>(
            demoModule('../main'),
            ['worker', '--config', configFile, '--status-check-after-ms', String(ASK_AFTER_MS)],
            env,
          ),
        );
        await started.next((report) => report.kind === 'ready');
        return started;
      })(),
      startProducer('producer'),
    ]);
    narrator.note(`processes: bank ${bank.pid}, worker ${worker.pid}, producer ${producer.pid}`);
    const verdicts: boolean[] = [];

    narrator.chapter('(a) An order is placed, delivered and paid');
    await place(producer, orders.a, 4_200);
    const paid = await eventually(() => isPaid(db, orders.a), signal);
    narrator.step(
      `worker ${worker.pid}`,
      paid ? 'external_call is SUCCESS and the order is PAID, in one transaction' : 'the order is not paid',
    );
    verdicts.push(narrator.verdict(paid, 'one decision: the row is there, the message was delivered, the bank was called once'));

    narrator.chapter('(b) The local transaction fails: nobody ever sees the message');
    const refused = await place(producer, orders.b, 0);
    narrator.step('caller', `publish() rejected: ${refused.kind === 'rejected' ? refused.message : 'no, it resolved'}`);
    // Its half message left before the one of (c), so whatever were to be delivered of it would have been by the end.

    narrator.chapter('(c) The producer is killed with SIGKILL between its COMMIT and its END');
    // The first producer of this service would answer as well; it leaves, so that it must be a process started after the crash.
    await producer.stop();
    const doomed = await startProducer('producer', '--die-after-commit');
    void place(doomed, orders.c, 9_900).catch(() => {});
    const end = await doomed.ended;
    const row = await db.em.fork().findOne(OrderEntity, { id: orders.c });
    narrator.step(
      `producer ${doomed.pid}`,
      `is dead (${String(end)}); the row says ${row?.status ?? 'nothing'}, and the broker has heard no END`,
    );
    const heir = await startProducer('producer');
    narrator.step(`producer ${heir.pid}`, 'started in its place; it knows nothing but the database');
    const rescued = await eventually(() => isPaid(db, orders.c), signal);
    narrator.step(`worker ${worker.pid}`, rescued ? 'the order is PAID' : 'the order is not paid');
    verdicts.push(
      narrator.verdict(
        end === 'SIGKILL' && rescued,
        'nothing was lost: the broker asked back, the row answered COMMIT, the payment was made',
      ),
    );

    narrator.chapter('(d) A bank that accepts the request and never answers');
    await place(heir, orders.d, 1_500);
    const unknown = await eventually(async () => (await callOf(db, orders.d))?.status === 'UNKNOWN', signal);
    narrator.step(
      `worker ${worker.pid}`,
      unknown ? 'no answer within the read timeout: the call is UNKNOWN, the evidence is kept' : 'the call is not UNKNOWN',
    );
    const known = await eventually(() => isPaid(db, orders.d), signal);
    narrator.step(
      `worker ${worker.pid}`,
      known ? 'asked the bank "did it arrive?": it did; the call is SUCCESS and the order is PAID' : 'nobody found out what became of it',
    );
    const asked = bankRequests.filter((key) => key === orders.d).length;
    verdicts.push(
      narrator.verdict(unknown && known && asked === 1, `never retried blindly: the bank was sent ${asked} payment, and was paid once`),
    );

    const neverSeen =
      refused.kind === 'rejected' && !bankRequests.includes(orders.b) && (await db.em.fork().count(OrderEntity, { id: orders.b })) === 0;
    verdicts.push(narrator.verdict(neverSeen, `(b) again: no row, no delivery and no call for ${orders.b}, to the end`));

    await printTables(db, Object.values(orders), narrator);
    return verdicts.every(Boolean);
  } finally {
    await Promise.all(processes.map((child) => child.stop()));
    await database?.close(true);
  }
}

async function callOf(db: Database, orderId: string) {
  return db.em.fork().findOne(ExternalCallEntity, { idempotencyKey: orderId });
}

async function isPaid(db: Database, orderId: string): Promise<boolean> {
  return (await db.em.fork().findOne(OrderEntity, { id: orderId }))?.status === 'PAID' && (await callOf(db, orderId))?.status === 'SUCCESS';
}

async function eventually(holds: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await systemClock.sleep(50, signal)) {
    if (await holds()) return true;
  }
  return false;
}

async function printTables(db: Database, orderIds: readonly string[], narrator: Narrator): Promise<void> {
  const em = db.em.fork();
  const orders = new Map((await em.find(OrderEntity, { id: [...orderIds] })).map((order) => [order.id, order]));
  narrator.table(
    'orders',
    orderIds.map((id) => {
      const order = orders.get(id);
      return {
        id,
        status: order?.status ?? '(no row)',
        amount: order === undefined ? '' : `${order.amountMinor} ${order.currency}`,
        transaction_id: order?.transactionId ?? '',
      };
    }),
  );
  // The status check is a call of its own, with the order's correlation id.
  const calls = await em.find(ExternalCallEntity, { correlationId: [...orderIds] }, { orderBy: { id: 'asc' } });
  const ids = calls.map((call) => call.id);
  const attempts = await em.find(ExternalCallAttemptEntity, { callId: ids }, { orderBy: { callId: 'asc', attempt: 'asc' } });
  const responses = await em.find(ExternalCallResponseEntity, { callId: ids });
  narrator.table(
    'attempts (request record and response snapshot of every external call)',
    attempts.map((attempt) => {
      const call = calls.find(({ id }) => id === attempt.callId);
      const response = responses.find(({ callId, attempt: number }) => callId === attempt.callId && number === attempt.attempt);
      return {
        call: call?.callName ?? '',
        idempotency_key: call?.idempotencyKey ?? '',
        attempt: String(attempt.attempt),
        status: call?.status ?? '',
        http: response?.httpStatus?.toString() ?? '–',
        error: response?.errorCode ?? '',
        ms: response === undefined ? '' : Number(response.totalMs).toFixed(0),
      };
    }),
  );
}
