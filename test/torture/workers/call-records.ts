import { type Pool, type RowDataPacket, createPool } from 'mysql2/promise';
import { orderIdInKey } from '../workload.ts';
import { CHARGE, CHARGE_QUESTION } from './charge-listener.ts';
import type { WorkerEvidence } from './judge-workers.ts';

type Row = RowDataPacket & Record<string, string | number | null>;
type Records = Pick<WorkerEvidence, 'orders' | 'calls' | 'attempts' | 'checks' | 'deadLetters'>;

const OF_OURS = `c.call_name in ('${CHARGE}', '${CHARGE_QUESTION}')`;

/** An order that was to be charged, and what the tables say of it. */
export interface OrderOnRecord {
  readonly orderId: string;
  readonly transactionId: string;
  readonly correlationId: string;
  /** Of its call; missing where no delivery led to one. */
  readonly status: string | undefined;
  /** Of the call and of its questions. */
  readonly attempts: readonly { readonly callId: number; readonly attempt: number; readonly isAnswered: boolean }[];
}

/** What the database says of the calls, read at one moment. */
export class CallRecords {
  readonly #pool: Pool;

  constructor(mysqlUrl: string) {
    this.#pool = createPool({ uri: mysqlUrl, connectionLimit: 1, connectTimeout: 3_000 });
  }

  /** Rejects while the database is down. */
  async read(): Promise<Records> {
    const connection = await this.#pool.getConnection();
    const rows = async (sql: string): Promise<Row[]> => (await connection.query<Row[]>(sql))[0];
    try {
      await connection.query('start transaction with consistent snapshot, read only');
      const orders = await rows('select id, paid, refused from torture_order where is_charged');
      const calls = await rows(`select idempotency_key as k, status from external_call where call_name = '${CHARGE}'`);
      const attempts = await rows(
        `select c.call_name as name, c.idempotency_key as k, timestampdiff(microsecond, '1970-01-01', a.opened_at) / 1000 as opened,
           exists (select 1 from external_call_response r where r.call_id = a.call_id and r.attempt = a.attempt) as answered
         from external_call_attempt a join external_call c on c.id = a.call_id where ${OF_OURS}`,
      );
      const checks = await rows(`select idempotency_key as k, state from status_check where call_name = '${CHARGE}'`);
      const deadLetters = await rows('select idempotency_key as k, message_keys from dead_letter');
      await connection.commit();
      connection.release();
      return {
        orders: orders.map(({ id, paid, refused }) => ({ orderId: String(id), paid: Number(paid), refused: Number(refused) })),
        calls: calls.map(({ k, status }) => ({ key: String(k), status: status as Records['calls'][number]['status'] })),
        attempts: attempts.map(({ name, k, opened, answered }) => ({
          call: String(name),
          key: String(k),
          openedAt: Number(opened),
          hasSnapshot: answered === 1,
        })),
        checks: new Map(checks.map(({ k, state }) => [String(k), String(state)])),
        deadLetters: new Set(deadLetters.map(({ k, message_keys: keys }) => orderIdInKey(String(k ?? keys)))),
      };
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** Orders that were to be charged, when everything is over. */
  async orders(): Promise<OrderOnRecord[]> {
    const rows = async (sql: string): Promise<Row[]> => (await this.#pool.query<Row[]>(sql))[0];
    const orders = await rows(
      `select o.id, o.transaction_id, o.attempt_id, c.status
       from torture_order o left join external_call c on c.call_name = '${CHARGE}' and c.idempotency_key = o.id where o.is_charged`,
    );
    const attempts = await rows(
      `select c.correlation_id, a.call_id, a.attempt,
         exists (select 1 from external_call_response r where r.call_id = a.call_id and r.attempt = a.attempt) as answered
       from external_call_attempt a join external_call c on c.id = a.call_id where ${OF_OURS}`,
    );
    const ofOrder = Map.groupBy(attempts, (row) => String(row['correlation_id']));
    return orders.map(({ id, transaction_id: transactionId, attempt_id: correlationId, status }) => ({
      orderId: String(id),
      transactionId: String(transactionId),
      correlationId: String(correlationId),
      status: status === null ? undefined : String(status),
      attempts: (ofOrder.get(String(correlationId)) ?? []).map(({ call_id: callId, attempt, answered }) => ({
        callId: Number(callId),
        attempt: Number(attempt),
        isAnswered: answered === 1,
      })),
    }));
  }

  async close(): Promise<void> {
    await this.#pool.end().catch(() => {});
  }
}
