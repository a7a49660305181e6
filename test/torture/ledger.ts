import { setTimeout as sleep } from 'node:timers/promises';
import { type Pool, type ResultSetHeader, type RowDataPacket, createPool } from 'mysql2/promise';
import { type Consumer, type Delivery, rocketmq } from '../../src/index.ts';
import { MESSAGE_PROPERTY } from '../../src/broker/message.ts';
import { waitUntil } from '../../src/cli/stack/wait-until.ts';
import type { CommittedRow, DeliveredMessage, Evidence } from './judge.ts';
import { TOPICS, tagsOf } from './torture-listeners.ts';
import { orderIdOf } from './workload.ts';

export const GROUP = 'torture-ledger';
const BATCH = 32;
const INVISIBLE_MS = 10_000;

/**
 * The consuming end: notes every delivery, and acts once for each message, with an inbox in the database that the
 * nemesis kills too. What could not be acted on is not acknowledged and comes again.
 */
export class Ledger {
  readonly deliveries: DeliveredMessage[] = [];
  #lastAt = Date.now();
  readonly #pool: Pool;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];

  private constructor(mysqlUrl: string) {
    this.#pool = createPool({ uri: mysqlUrl, connectionLimit: 6, connectTimeout: 3_000 });
  }

  static async open(endpoints: string, mysqlUrl: string): Promise<Ledger> {
    const ledger = new Ledger(mysqlUrl);
    const broker = rocketmq({ endpoints, startTimeoutMs: 60_000 });
    for (const topic of Object.values(TOPICS)) {
      // The proxy remembers for a moment that somebody asked for the topic before it was there.
      const start = (): Promise<Consumer> => broker.startConsumer({ topic, group: GROUP, longPollMs: 5_000 });
      const consumer = await waitUntil(start, { what: `a consumer of ${topic}`, timeoutMs: 60_000, intervalMs: 500 });
      ledger.#loops.push(ledger.#consume(consumer));
    }
    return ledger;
  }

  /** Milliseconds since something was last delivered. */
  get quietMs(): number {
    return Date.now() - this.#lastAt;
  }

  async #consume(consumer: Consumer): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const batch = await consumer.receive(BATCH, INVISIBLE_MS, signal);
        const messages = batch.map((delivery) => ({ delivery, message: deliveredMessage(delivery) }));
        if (batch.length > 0) this.#lastAt = Date.now();
        this.deliveries.push(...messages.map(({ message }) => message));
        if (batch.length > 0) await this.#act(messages.map(({ message }) => message));
        await Promise.allSettled(batch.map((delivery) => delivery.ack()));
      } catch {
        // Broker or database is down: unacknowledged messages come again.
        await sleep(250);
      }
    }
    await consumer.close(2_000);
  }

  async #act(messages: readonly DeliveredMessage[]): Promise<void> {
    const connection = await this.#pool.getConnection();
    try {
      await connection.beginTransaction();
      for (const { attemptId, transactionId, tag } of messages) {
        const [{ affectedRows }] = await connection.query<ResultSetHeader>('insert ignore into torture_inbox (id) values (?)', [
          `${transactionId} ${tag}`,
        ]);
        if (affectedRows === 0) continue;
        await connection.query(
          'insert into torture_effect (order_id, tag, times) values (?, ?, 1) on duplicate key update times = times + 1',
          [orderIdOf(attemptId), tag],
        );
      }
      await connection.commit();
      connection.release();
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** What the database says. Rejects while it is down. */
  async readDatabase(): Promise<Pick<Evidence, 'rows' | 'effects' | 'updates'>> {
    const [orders] = await this.#pool.query<(RowDataPacket & Omit<CommittedRow, 'tags'> & { messages: number; isCharged: 0 | 1 })[]>(
      'select id as orderId, attempt_id as attemptId, transaction_id as transactionId, messages, is_charged as isCharged from torture_order',
    );
    const [effects] = await this.#pool.query<(RowDataPacket & { orderId: string; tag: string; times: number })[]>(
      'select order_id as orderId, tag, times from torture_effect',
    );
    const [[counts]] = await this.#pool.query<(RowDataPacket & { sold: string | number })[]>('select sum(sold) as sold from torture_stock');
    return {
      rows: orders.map(({ orderId, attemptId, transactionId, messages, isCharged }) => ({
        orderId,
        attemptId,
        transactionId,
        tags: tagsOf({ messages, isCharged: isCharged === 1 }),
      })),
      effects,
      updates: { counted: Number(counts?.sold), expected: 0 },
    };
  }

  /** Ends some of the server's sessions that belong to producers; returns how many. */
  async killSessions(pick: (ids: readonly number[]) => readonly number[]): Promise<number> {
    const [sessions] = await this.#pool.query<(RowDataPacket & { id: number })[]>(
      "select id from information_schema.processlist where db = 'checkback' and id <> connection_id() and user <> 'system user'",
    );
    const ids = pick(sessions.map(({ id }) => id));
    for (const id of ids) await this.#pool.query(`kill ${id}`).catch(() => {});
    return ids.length;
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the torture is over'));
    await Promise.allSettled(this.#loops);
    await this.#pool.end().catch(() => {});
  }
}

function deliveredMessage({ message: { properties, tag } }: Delivery): DeliveredMessage {
  return {
    attemptId: properties[MESSAGE_PROPERTY.correlationId] ?? '',
    transactionId: properties[MESSAGE_PROPERTY.transactionId] ?? '',
    tag,
  };
}
