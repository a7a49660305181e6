import { fulfilOrder } from '../../../listeners/index.ts';
import type { PlaceOrder } from '../../../listeners/place-order.transaction.ts';
import { OrderEntity } from '../../../schema/index.ts';
import { type MockBank, type MockBankStep, type SeenRequest, startMockBank } from '../../../src/cli/mock-bank/mock-bank.ts';
import { defineTransactionListener, transactionMarker } from '../../../src/index.ts';
import { anOrder } from '../../support/publishing-listeners.ts';
import { type Shop, openShop } from '../../support/publishing-shop.ts';
import { WORKER_HEADER, type WorkerPool, openWorkerPool } from './worker-pool.ts';

/** A request for an effect, as an institution sees it. */
export interface Asked {
  readonly orderId: string;
  /** `stock`, `payment:compensation`, … */
  readonly step: string;
  /** Which worker asks. */
  readonly worker: string;
  /** Whether this request was never made before. */
  readonly isFirst: boolean;
}

/** The worked example's saga: a shop, three institutions, and workers. */
export interface Fulfilment extends AsyncDisposable {
  readonly pool: WorkerPool;
  /** Says what the institutions do; default: everything succeeds. */
  treat(how: (asked: Asked) => MockBankStep | undefined): void;
  /** Places an order, and lets its message be delivered `times`. */
  place(orderId: string, times?: number): Promise<void>;
  /** Effects at the institutions for one order, in their order. */
  effects(orderId: string): readonly string[];
  /** Requests for effects, over all institutions, that were made more than once. */
  repeated(): readonly string[];
  orderStatus(orderId: string): Promise<string | undefined>;
  /** Status of each saga by its id. */
  sagas(): Promise<Record<string, string>>;
}

export const sagaIdOf = (orderId: string): string => `order-${orderId}`;

const INSTITUTIONS = ['warehouse', 'bank', 'carrier'] as const;
const CONFIG = 'test/e2e/support/fulfilment.config.ts';

export async function openFulfilment(): Promise<Fulfilment> {
  const shop: Shop = await openShop('fulfilment');
  const made = new Map<string, number>();
  const effects = new Map<string, string[]>();
  let treat: (asked: Asked) => MockBankStep | undefined = () => undefined;

  const play = (request: SeenRequest): MockBankStep | undefined => {
    if (request.method !== 'POST') return undefined;
    const key = request.idempotencyKey;
    const times = (made.get(key) ?? 0) + 1;
    made.set(key, times);
    const [, orderId = '', step = ''] = /^order-(.+?):(.+)$/.exec(key) ?? [];
    const played = treat({ orderId, step, worker: String(request.headers[WORKER_HEADER]), isFirst: times === 1 }) ?? { kind: 'ok' };
    if (played.kind === 'ok' || played.kind === 'never-answer') effects.set(orderId, [...(effects.get(orderId) ?? []), step]);
    return played;
  };
  const banks: MockBank[] = [];
  try {
    for (const _ of INSTITUTIONS) {
      const bank = await startMockBank({ script: play });
      banks.push(bank);
      shop.use({ [Symbol.asyncDispose]: () => bank.close() });
    }
    // The same message once more, as a producer would send it that does not know of its first success.
    const again = defineTransactionListener<PlaceOrder>({
      name: 'place-order-again',
      topic: shop.topic,
      tag: 'placed',
      keys: ({ orderId }) => [orderId],
      lookup: transactionMarker(),
      execute: () => Promise.resolve('COMMIT'),
    });
    const publisher = await shop.startPublisher({ listeners: [shop.placeOrder, again] });
    const rows = (sql: string): Promise<Record<string, unknown>[]> => shop.orm.em.getConnection().execute(sql);
    return {
      pool: openWorkerPool(shop, CONFIG, {
        CHECKBACK_ORIGINS: INSTITUTIONS.map((name, index) => `${name}=${banks[index]!.origin}`).join(','),
      }),
      treat: (how) => void (treat = how),
      async place(orderId, times = 1) {
        await publisher.publish(shop.placeOrder, anOrder(orderId));
        for (let more = 1; more < times; more += 1) await publisher.publish(again, anOrder(orderId));
      },
      effects: (orderId) => effects.get(orderId) ?? [],
      repeated: () => [...made].filter(([, times]) => times > 1).map(([key]) => key),
      orderStatus: async (orderId) => (await shop.orm.em.fork().findOne(OrderEntity, { id: orderId }))?.status,
      sagas: async () =>
        Object.fromEntries(
          (await rows(`select id, status from saga_instance where saga = '${fulfilOrder.name}' order by id`)).map(({ id, status }) => [
            id,
            status,
          ]),
        ) as Record<string, string>,
      [Symbol.asyncDispose]: () => shop[Symbol.asyncDispose](),
    };
  } catch (error) {
    await shop[Symbol.asyncDispose]();
    throw error;
  }
}
