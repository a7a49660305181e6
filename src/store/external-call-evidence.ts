import type { CallStatus } from '../gateway/call-status.ts';
import type { OpenedAttempt, RequestRecord, ResponseSnapshot, StoredBody } from '../gateway/external-call-store.ts';
import type { Bind, Transaction } from './statements.ts';

/** A request record, and the attempt it belongs to. */
export interface AttemptRow {
  readonly callId: number;
  readonly attempt: number;
  readonly request: RequestRecord;
}

/** A response snapshot, the attempt it closes, and what that made of the call. */
export interface ResponseRow {
  readonly opened: OpenedAttempt;
  readonly snapshot: ResponseSnapshot;
  readonly status: CallStatus;
  /** Default: the snapshot's. */
  readonly errorCode?: string | undefined;
}

/** Inserts request records with one statement. */
export const insertAttempts = (tx: Transaction, attempts: readonly AttemptRow[]): Promise<void> =>
  insert(
    tx,
    'external_call_attempt',
    attempts.map(({ callId, attempt, request }) => ({
      call_id: callId,
      attempt,
      correlation_id: request.correlationId,
      origin: request.origin,
      method: request.method,
      path: request.path,
      headers: request.headers,
      ...bodyColumns(request.body),
      opened_at: request.openedAt,
    })),
  );

/** Inserts response snapshots with one statement; fails with a duplicate key when an attempt has one. */
export const insertResponses = (tx: Transaction, responses: readonly ResponseRow[]): Promise<void> =>
  insert(
    tx,
    'external_call_response',
    responses.map(({ opened, snapshot, status, errorCode = snapshot.errorCode }) => ({
      call_id: opened.callId,
      attempt: opened.attempt,
      status,
      http_status: snapshot.httpStatus,
      headers: snapshot.headers,
      ...bodyColumns(snapshot.body),
      is_truncated: snapshot.isTruncated,
      failed_phase: snapshot.failedPhase,
      connect_ms: snapshot.times.connectMs,
      write_ms: snapshot.times.writeMs,
      headers_ms: snapshot.times.headersMs,
      body_ms: snapshot.times.bodyMs,
      total_ms: snapshot.times.totalMs,
      remote_address: snapshot.remoteAddress,
      error_code: errorCode,
      error_chain: snapshot.errorChain,
      closed_at: snapshot.closedAt,
    })),
  );

const bodyColumns = (body: StoredBody | undefined): Record<string, Bind | undefined> => ({
  body_state: body?.state,
  body: body?.bytes,
  body_bytes: body?.rawBytes,
  body_sha256: body?.sha256,
});

/** `rows` have the same columns in the same order, names of ours, never of anybody's input. */
async function insert(tx: Transaction, table: string, rows: readonly Record<string, Bind | undefined>[]): Promise<void> {
  const names = Object.keys(rows[0] ?? {});
  const marks = `(${names.map(() => '?').join(', ')})`;
  await tx.run(
    `insert into ${table} (${names.join(', ')}) values ${rows.map(() => marks).join(', ')}`,
    rows.flatMap((row) => Object.values(row).map((value) => value ?? null)),
  );
}
