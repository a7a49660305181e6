import { type Pool, type RowDataPacket, createPool } from 'mysql2/promise';
import { orderIdInKey } from '../workload.ts';
import { CHARGE, CHARGE_QUESTION } from './charge-listener.ts';
import type { WorkerEvidence } from './judge-workers.ts';

type Row = RowDataPacket & Record<string, string | number | null>;
type Records = Pick<WorkerEvidence, 'orders' | 'calls' | 'attempts' | 'checks' | 'deadLetters'>;

const OF_OURS = `c.call_name in ('${CHARGE}', '${CHARGE_QUESTION}')`;

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

  async close(): Promise<void> {
    await this.#pool.end().catch(() => {});
  }
}
