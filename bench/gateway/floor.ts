import { hash } from 'node:crypto';
import type { Pool, PoolConnection, ResultSetHeader } from 'mysql2/promise';
import type { ExternalCallStore, RequestRecord, ResponseSnapshot } from '../../src/gateway/external-call-store.ts';
import { freshKey, PAYMENT } from './call.ts';

const BODY = Buffer.from(JSON.stringify(PAYMENT));
const ANSWER = Buffer.from('{"paymentId":"pay-0123456789","status":"ACCEPTED","orderId":"order-1","amountMinor":1250,"currency":"EUR"}');
const SENT = JSON.stringify([
  ['content-type', 'application/json'],
  ['accept', 'application/json'],
  ['user-agent', 'checkback'],
  ['accept-encoding', 'identity'],
  ['idempotency-key', 'key-0123456789'],
  ['x-correlation-id', 'key-0123456789'],
  ['content-length', String(BODY.length)],
]);
const CAME = JSON.stringify([
  ['content-type', 'application/json'],
  ['content-length', String(ANSWER.length)],
  ['date', 'Thu, 01 Jan 2026 00:00:00 GMT'],
  ['connection', 'keep-alive'],
  ['keep-alive', 'timeout=60'],
]);
const AT = '2026-01-01 00:00:00.000';

/** What one audited call writes, with nothing around it: the same rows in the same two transactions, straight through the driver. */
export async function writeAudit(pool: Pool): Promise<void> {
  const key = freshKey();
  const callId = await inTransaction(pool, async (connection) => {
    const [{ insertId }] = await connection.query<ResultSetHeader>(
      `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, lease_owner, lease_until, created_at, updated_at)
       values (?, ?, ?, 'PENDING', 1, ?, utc_timestamp(3) + interval ? microsecond, utc_timestamp(3), utc_timestamp(3))`,
      ['pay-order', key, key, key, 50_000_000],
    );
    await connection.query(
      `insert into external_call_attempt (call_id, attempt, correlation_id, origin, method, path, headers, body_state, body, body_bytes, body_sha256, opened_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [insertId, 1, key, 'bank', 'POST', '/payments', SENT, 'RAW', BODY, BODY.length, hash('sha256', BODY, 'buffer'), AT],
    );
    return insertId;
  });
  await inTransaction(pool, async (connection) => {
    await connection.query(
      `insert into external_call_response (call_id, attempt, status, http_status, headers, body_state, body, body_bytes, body_sha256, is_truncated,
         failed_phase, connect_ms, write_ms, headers_ms, body_ms, total_ms, remote_address, error_code, error_chain, closed_at)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [callId, 1, 'SUCCESS', 201, CAME, 'RAW', ANSWER, ANSWER.length, hash('sha256', ANSWER, 'buffer'), false].concat([
        null as never,
        0.1,
        0.1,
        1.234567,
        0.1,
        2.345678,
        '127.0.0.1',
        null as never,
        null as never,
        AT,
      ]),
    );
    await connection.query(
      `update external_call set status = ?, http_status = ?, last_error_code = ?, lease_owner = null, lease_until = null, not_before = null,
         updated_at = utc_timestamp(3) where id = ? and lease_owner = ? and status = 'PENDING'`,
      ['SUCCESS', 201, null, callId, key],
    );
  });
}

async function inTransaction<T>(pool: Pool, work: (connection: PoolConnection) => Promise<T>): Promise<T> {
  const connection = await pool.getConnection();
  try {
    await connection.query('begin');
    const result = await work(connection);
    await connection.query('commit');
    return result;
  } finally {
    connection.release();
  }
}

/** The same rows through the store alone, which commits several calls at once: what the database gives without a gateway before it. */
export async function storeAudit(store: ExternalCallStore): Promise<void> {
  const key = freshKey();
  const opened = await store.open({ ...REQUEST, idempotencyKey: key, correlationId: key }, 50_000);
  if (opened.kind !== 'opened') throw new Error(`the store said ${opened.kind}`);
  const closed = await store.close(opened, SNAPSHOT, 'SUCCESS', {});
  if (closed.kind !== 'closed') throw new Error(`the store said ${closed.kind}`);
}

const bodyOf = (bytes: Buffer) => ({ state: 'RAW' as const, bytes, rawBytes: bytes.length, sha256: hash('sha256', bytes, 'buffer') });
const REQUEST: Omit<RequestRecord, 'idempotencyKey' | 'correlationId'> = {
  callName: 'pay-order',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  headers: SENT,
  body: bodyOf(BODY),
  openedAt: new Date(`${AT.replace(' ', 'T')}Z`),
};
const SNAPSHOT: ResponseSnapshot = {
  httpStatus: 201,
  headers: CAME,
  body: bodyOf(ANSWER),
  isTruncated: false,
  failedPhase: undefined,
  times: { connectMs: 0.1, writeMs: 0.1, headersMs: 1.234567, bodyMs: 0.1, totalMs: 2.345678 },
  remoteAddress: '127.0.0.1',
  errorCode: undefined,
  errorChain: undefined,
  closedAt: REQUEST.openedAt,
};
