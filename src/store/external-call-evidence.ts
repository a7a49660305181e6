import type { CallStatus } from '../gateway/call-status.ts';
import type { OpenedAttempt, RequestRecord, ResponseSnapshot, StoredBody } from '../gateway/external-call-store.ts';

type Bind = string | number | boolean | Buffer | null;

/** Statements of one transaction, or of none. */
export interface Transaction {
  run(sql: string, binds: readonly Bind[]): Promise<{ readonly affectedRows: number; readonly insertId: number }>;
  rows(sql: string, binds: readonly Bind[]): Promise<readonly Record<string, unknown>[]>;
}

/** Inserts a request record. */
export async function insertAttempt(tx: Transaction, callId: number, attempt: number, request: RequestRecord): Promise<void> {
  const { correlationId, origin, method, path, headers, body, openedAt } = request;
  await insert(tx, 'external_call_attempt', {
    call_id: callId,
    attempt,
    correlation_id: correlationId,
    origin,
    method,
    path,
    headers,
    ...bodyColumns(body),
    opened_at: datetime(openedAt),
  });
}

/** Inserts a response snapshot; fails with a duplicate key when the attempt has one. */
export async function insertResponse(
  tx: Transaction,
  { callId, attempt }: OpenedAttempt,
  snapshot: ResponseSnapshot,
  status: CallStatus,
): Promise<void> {
  const { times } = snapshot;
  await insert(tx, 'external_call_response', {
    call_id: callId,
    attempt,
    status,
    http_status: snapshot.httpStatus,
    headers: snapshot.headers,
    ...bodyColumns(snapshot.body),
    is_truncated: snapshot.isTruncated,
    failed_phase: snapshot.failedPhase,
    connect_ms: times.connectMs,
    write_ms: times.writeMs,
    headers_ms: times.headersMs,
    body_ms: times.bodyMs,
    total_ms: times.totalMs,
    remote_address: snapshot.remoteAddress,
    error_code: snapshot.errorCode,
    error_chain: snapshot.errorChain,
    closed_at: datetime(snapshot.closedAt),
  });
}

const bodyColumns = (body: StoredBody | undefined): Record<string, Bind | undefined> => ({
  body_state: body?.state,
  body: body?.bytes,
  body_bytes: body?.rawBytes,
  body_sha256: body?.sha256,
});

/** `columns` are names of ours, never of anybody's input. */
async function insert(tx: Transaction, table: string, columns: Record<string, Bind | undefined>): Promise<void> {
  const names = Object.keys(columns);
  await tx.run(
    `insert into ${table} (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`,
    Object.values(columns).map((value) => value ?? null),
  );
}

/** UTC, as the database's own utc_timestamp(3) writes it. */
const datetime = (at: Date): string => at.toISOString().slice(0, 23).replace('T', ' ');
