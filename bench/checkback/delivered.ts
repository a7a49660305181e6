import type { RowDataPacket } from 'mysql2/promise';
import { MESSAGE_PROPERTY } from '../../src/broker/message.ts';
import { rocketmq } from '../../src/broker/rocketmq/rocketmq.ts';
import type { FullStack } from '../full-stack.ts';

/** What came out of a topic, held against the rows that committed. */
export interface Verdict {
  readonly delivered: number;
  /** Committed and not delivered. */
  readonly lost: number;
  /** Delivered and not committed. */
  readonly ghosts: number;
  readonly twice: number;
}

/** Receives a topic from now on, into memory. */
export async function receiveAll({ endpoints }: FullStack, topic: string, group: string) {
  const consumer = await rocketmq({ endpoints }).startConsumer({ topic, group, longPollMs: 5_000 });
  const stop = new AbortController();
  const transactions: string[] = [];
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const batch = await consumer.receive(32, 60_000, stop.signal).catch(() => []);
      transactions.push(...batch.map(({ message }) => message.properties[MESSAGE_PROPERTY.transactionId] ?? ''));
      await Promise.all(batch.map((delivery) => delivery.ack().catch(() => {})));
    }
  };
  const loops = [loop(), loop()];
  return {
    transactions,
    close: async (): Promise<void> => {
      stop.abort();
      await Promise.all(loops);
      await consumer.close();
    },
  };
}

export async function committedTransactions({ connection, databaseUrl }: FullStack): Promise<string[]> {
  const database = new URL(databaseUrl).pathname.slice(1);
  const [rows] = await connection.query<RowDataPacket[]>(`select transaction_id as id from \`${database}\`.orders`);
  return rows.map(({ id }) => String(id));
}

export function judge(transactions: readonly string[], committed: Iterable<string>): Verdict {
  const delivered = new Set(transactions);
  const wanted = new Set(committed);
  return {
    delivered: delivered.size,
    lost: [...wanted].filter((id) => !delivered.has(id)).length,
    ghosts: [...delivered].filter((id) => !wanted.has(id)).length,
    twice: transactions.length - delivered.size,
  };
}
