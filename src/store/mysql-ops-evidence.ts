import type { MikroORM } from '@mikro-orm/mysql';
import { statementsOn } from './statements.ts';
import { CALL_COLUMNS, callOf, type OpsCall } from './mysql-ops-search.ts';
import { numberOf, textOf } from './nullable-column.ts';
import { utcDate } from './utc-date.ts';

/** A body as it is stored: masked, or not at all, where secrets could be in it. */
export interface EvidenceBody {
  readonly state: 'RAW' | 'MASKED' | 'WITHHELD';
  /** The first `MAX_SHOWN_BYTES` of what is stored. */
  readonly bytes: Buffer;
  readonly storedBytes: number;
  /** Of the raw bytes, whatever was stored of them. */
  readonly rawBytes: number;
  /** Of the raw bytes, in hexadecimal. */
  readonly sha256: string;
}

export interface RequestEvidence {
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly headers: string;
  readonly body: EvidenceBody | undefined;
  readonly openedAt: Date;
}

export interface ResponseEvidence {
  readonly status: string;
  readonly httpStatus: number | undefined;
  readonly headers: string | undefined;
  readonly body: EvidenceBody | undefined;
  readonly isTruncated: boolean;
  readonly failedPhase: string | undefined;
  readonly times: AttemptTimes;
  readonly remoteAddress: string | undefined;
  readonly errorCode: string | undefined;
  readonly errorChain: string | undefined;
  readonly closedAt: Date;
}

/** Milliseconds of each phase; `undefined` when it was not reached. */
export interface AttemptTimes {
  readonly connectMs: number;
  readonly writeMs: number | undefined;
  readonly headersMs: number | undefined;
  readonly bodyMs: number | undefined;
  readonly totalMs: number;
}

/** All that is on record of one attempt. */
export interface AttemptEvidence {
  readonly call: OpsCall;
  readonly attempt: number;
  readonly request: RequestEvidence;
  /** `undefined` while it is under way, and for ever when its worker died. */
  readonly response: ResponseEvidence | undefined;
}

export const MAX_SHOWN_BYTES = 65_536;

const BODY = `body_state, substr(body, 1, ${MAX_SHOWN_BYTES}) as body, length(body) as stored_bytes, body_bytes, lower(hex(body_sha256)) as body_sha256`;

/** `undefined` when there is no such attempt. */
export async function readAttempt(orm: MikroORM, callId: number, attempt: number): Promise<AttemptEvidence | undefined> {
  const db = statementsOn(orm.em.getConnection('read'));
  const [[call], [request], [response]] = await Promise.all([
    db.rows(`select ${CALL_COLUMNS} from external_call where id = ?`, [callId]),
    db.rows(`select origin, method, path, headers, opened_at, ${BODY} from external_call_attempt where call_id = ? and attempt = ?`, [
      callId,
      attempt,
    ]),
    db.rows(
      `select status, http_status, headers, is_truncated, failed_phase, connect_ms, write_ms, headers_ms, body_ms, total_ms,
         remote_address, error_code, error_chain, closed_at, ${BODY} from external_call_response where call_id = ? and attempt = ?`,
      [callId, attempt],
    ),
  ]);
  if (call === undefined || request === undefined) return undefined;
  return {
    call: callOf(call),
    attempt,
    request: {
      origin: String(request['origin']),
      method: String(request['method']),
      path: String(request['path']),
      headers: String(request['headers']),
      body: bodyOf(request),
      openedAt: utcDate(request['opened_at']),
    },
    response: response && {
      status: String(response['status']),
      httpStatus: numberOf(response['http_status']),
      headers: textOf(response['headers']),
      body: bodyOf(response),
      isTruncated: Number(response['is_truncated']) === 1,
      failedPhase: textOf(response['failed_phase']),
      times: timesOf(response),
      remoteAddress: textOf(response['remote_address']),
      errorCode: textOf(response['error_code']),
      errorChain: textOf(response['error_chain']),
      closedAt: utcDate(response['closed_at']),
    },
  };
}

type Row = Readonly<Record<string, unknown>>;

const bodyOf = (row: Row): EvidenceBody | undefined =>
  row['body_state'] === null
    ? undefined
    : {
        state: row['body_state'] as EvidenceBody['state'],
        bytes: row['body'] === null ? Buffer.alloc(0) : Buffer.from(row['body'] as Uint8Array),
        storedBytes: Number(row['stored_bytes'] ?? 0),
        rawBytes: Number(row['body_bytes'] ?? 0),
        sha256: textOf(row['body_sha256']) ?? '',
      };

export const timesOf = (row: Row): AttemptTimes => ({
  connectMs: Number(row['connect_ms']),
  writeMs: numberOf(row['write_ms']),
  headersMs: numberOf(row['headers_ms']),
  bodyMs: numberOf(row['body_ms']),
  totalMs: Number(row['total_ms']),
});
