import { randomUUID } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/mysql';
import { type CallStatus, canTransition, isFinal } from '../gateway/call-status.ts';
import type {
  Apply,
  CloseResult,
  ExternalCallStore,
  InTransaction,
  OpenedAttempt,
  OpenResult,
  RecordedOutcome,
  RequestRecord,
  ResponseSnapshot,
} from '../gateway/external-call-store.ts';
import { BATCH_TIMEOUT_MS, type Closing, closeTogether, moveRows, type Opening, openTogether } from './external-call-batches.ts';
import { isDuplicateKey, isTransient, retryTransient } from './external-call-database-error.ts';
import { insertAttempts, insertResponses } from './external-call-evidence.ts';
import { GroupCommit } from './group-commit.ts';
import { statementsOn, type Transaction } from './statements.ts';

const LEASE_END = 'utc_timestamp(3) + interval ? microsecond';
const ABANDONED = 'CB_UNKNOWN_OUTCOME';

/** The store on MySQL 8.4 and later, MariaDB 11 or a SQLite file of `openOrm`. The ORM need not know the entities of these tables, only those `apply` uses. */
export const mysqlExternalCallStore = (orm: MikroORM): ExternalCallStore => new MysqlExternalCallStore(orm);

// Few enough that a statement stays far below what a server left at its defaults takes; larger bodies go by themselves.
const MAX_TOGETHER = 32;
const MAX_TOGETHER_BODY_BYTES = 64 * 1024;
const LANES = 2;

class MysqlExternalCallStore implements ExternalCallStore {
  readonly #orm: MikroORM;
  readonly #openings: GroupCommit<Opening, OpenResult | undefined>;
  readonly #closings: GroupCommit<Closing, CloseResult>;

  constructor(orm: MikroORM) {
    this.#orm = orm;
    const limits = { lanes: LANES, maxItems: MAX_TOGETHER, laneTimeoutMs: BATCH_TIMEOUT_MS + 1_000 };
    this.#openings = new GroupCommit({
      together: (openings) => openTogether(orm, openings),
      alone: (opening) => this.#open(opening),
      ...limits,
    });
    this.#closings = new GroupCommit({
      together: (closings) => closeTogether(orm, closings),
      alone: (closing) => this.#close(closing),
      ...limits,
    });
  }

  async open(request: RequestRecord, leaseMs: number): Promise<OpenResult> {
    // One fence for every try: a COMMIT whose answer was lost is recognised by it.
    const opening: Opening = { request, fence: randomUUID(), leaseMs };
    const isLarge = (request.body?.bytes?.length ?? 0) > MAX_TOGETHER_BODY_BYTES;
    return (isLarge ? undefined : await this.#openings.add(opening)) ?? this.#open(opening);
  }

  async close(
    opened: OpenedAttempt,
    snapshot: ResponseSnapshot,
    to: CallStatus,
    { notBeforeMs, apply, inTransaction }: Parameters<ExternalCallStore['close']>[3],
  ): Promise<CloseResult> {
    const closing: Closing = { opened, snapshot, to, notBeforeMs };
    if (inTransaction && isFinal(to)) return this.#closeWithin(closing, apply, inTransaction);
    if (apply && isFinal(to)) return this.#close(closing, apply);
    const isLarge = (snapshot.body?.bytes?.length ?? 0) > MAX_TOGETHER_BODY_BYTES;
    return isLarge ? this.#close(closing) : this.#closings.add(closing);
  }

  #open(opening: Opening): Promise<OpenResult> {
    return retryTransient(async () => {
      try {
        return await this.#inTransaction((tx) => openNew(tx, opening));
      } catch (error) {
        // The insert is rolled back before the row is asked for: its shared lock would deadlock with another one's.
        if (!isDuplicateKey(error)) throw error;
        return this.#inTransaction((tx) => openExisting(tx, opening));
      }
    });
  }

  async #close(closing: Closing, apply?: Apply): Promise<CloseResult> {
    const { opened, snapshot, to } = closing;
    let failed: 'insert' | { readonly apply: unknown } | undefined;
    const closeRow = async (tx: Transaction): Promise<boolean> => {
      await insertResponses(tx, [{ opened, snapshot, status: to, errorCode: closing.errorCode }]).catch((error: unknown) => {
        failed = 'insert';
        throw error;
      });
      return (await moveRows(tx, [closing])) > 0;
    };
    try {
      if (!apply) return { kind: (await this.#inTransaction(closeRow)) ? 'closed' : 'lease-lost' };
      return await this.#orm.em.fork().transactional(async (em) => {
        if (!(await closeRow(statementsOn(em.getConnection(), em.getTransactionContext())))) return { kind: 'lease-lost' };
        try {
          await apply(em);
          await em.flush();
        } catch (error) {
          failed = { apply: error };
          throw error;
        }
        return { kind: 'closed' };
      });
    } catch (error) {
      if (failed === 'insert' && isDuplicateKey(error)) return this.#closedBefore(opened, to);
      if (typeof failed !== 'object' || isTransient(failed.apply)) throw error;
      await this.#close({ ...closing, to: 'UNKNOWN', errorCode: ABANDONED });
      return { kind: 'apply-failed', error: failed.apply };
    }
  }

  /** As `#close`, in a transaction of the caller's. What is thrown inside is noted there, for it comes back wrapped. */
  async #closeWithin(closing: Closing, apply: Apply | undefined, inTransaction: InTransaction): Promise<CloseResult> {
    const { opened, snapshot, to } = closing;
    let failed: { readonly at: 'insert' | 'lease' | 'apply'; readonly error: unknown } | undefined;
    const failedAt = (): typeof failed => failed;
    const noting = async (at: 'insert' | 'apply', work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failed = { at, error };
        throw error;
      }
    };
    try {
      await inTransaction(async (em) => {
        failed = undefined;
        const tx = statementsOn((em as MikroORM['em']).getConnection(), em.getTransactionContext());
        await noting('insert', () => insertResponses(tx, [{ opened, snapshot, status: to, errorCode: closing.errorCode }]));
        if ((await moveRows(tx, [closing])) === 0) {
          failed = { at: 'lease', error: undefined };
          throw new Error('the lease had ended');
        }
        await noting('apply', async () => {
          await apply?.(em);
          await em.flush();
        });
      });
      return { kind: 'closed' };
    } catch (error) {
      const { at, error: thrown } = failedAt() ?? {};
      if (at === 'insert' && isDuplicateKey(thrown)) return this.#closedBefore(opened, to);
      // Rolled back with the snapshot, which is to be kept.
      if (at === 'lease') return this.#close(closing);
      if (at !== 'apply' || isTransient(thrown)) throw error;
      await this.#close({ ...closing, to: 'UNKNOWN', errorCode: ABANDONED });
      return { kind: 'apply-failed', error: thrown };
    }
  }

  async resolveUnknown(
    callName: string,
    idempotencyKey: string,
    to: 'SUCCESS' | 'FAIL' | 'PENDING',
    { errorCode, apply, inTransaction }: NonNullable<Parameters<ExternalCallStore['resolveUnknown']>[3]> = {},
  ): Promise<boolean> {
    if (!canTransition('UNKNOWN', to)) throw new RangeError(`an UNKNOWN call cannot become ${to}`);
    const resolve = async (em: MikroORM['em']): Promise<boolean> => {
      const { affectedRows } = await statementsOn(em.getConnection(), em.getTransactionContext()).run(
        `update external_call set status = ?, last_error_code = ?, lease_owner = null, lease_until = null, not_before = null, updated_at = utc_timestamp(3)
         where call_name = ? and idempotency_key = ? and status = 'UNKNOWN'`,
        [to, errorCode ?? null, callName, idempotencyKey],
      );
      if (affectedRows === 0) return false;
      await apply?.(em);
      return true;
    };
    if (!inTransaction) return this.#orm.em.fork().transactional(resolve);
    let isUnknown = true;
    try {
      await inTransaction(async (em) => {
        isUnknown = await resolve(em as MikroORM['em']);
        if (!isUnknown) throw new Error(`call ${callName} is not UNKNOWN any more`);
      });
      return true;
    } catch (error) {
      if (!isUnknown) return false;
      throw error;
    }
  }

  /** The attempt has a snapshot already: this very close committed before and its answer was lost. What did it do? */
  async #closedBefore({ callId }: OpenedAttempt, to: CallStatus): Promise<CloseResult> {
    if (!isFinal(to)) return { kind: 'closed' };
    const [row] = await statementsOn(this.#orm.em.getConnection()).rows('select status from external_call where id = ?', [callId]);
    return { kind: row?.['status'] === to ? 'closed' : 'lease-lost' };
  }

  /** Without an entity manager: it is the larger part of a short transaction's cost. */
  #inTransaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const connection = this.#orm.em.getConnection();
    return connection.transactional((context) => work(statementsOn(connection, context)));
  }
}

async function openNew(tx: Transaction, { request, fence, leaseMs }: Opening): Promise<OpenResult> {
  const { insertId: callId } = await tx.run(
    `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, lease_owner, lease_until, created_at, updated_at)
     values (?, ?, ?, 'PENDING', 1, ?, ${LEASE_END}, utc_timestamp(3), utc_timestamp(3))`,
    [request.callName, request.idempotencyKey, request.correlationId, fence, leaseMs * 1000],
  );
  await insertAttempts(tx, [{ callId, attempt: 1, request }]);
  return { kind: 'opened', callId, attempt: 1, fence };
}

async function openExisting(tx: Transaction, { request, fence, leaseMs }: Opening): Promise<OpenResult> {
  const [row] = await tx.rows(
    `select id, status, attempts, last_error_code, lease_owner,
       timestampdiff(microsecond, utc_timestamp(3), lease_until) / 1000 as lease_ms,
       timestampdiff(microsecond, utc_timestamp(3), not_before) / 1000 as not_before_ms
     from external_call where call_name = ? and idempotency_key = ? for update`,
    [request.callName, request.idempotencyKey],
  );
  if (!row) throw new Error(`call ${request.callName} was on record and is gone: nothing may delete it`);
  const status = row['status'] as CallStatus;
  const callId = Number(row['id']);
  const attempts = Number(row['attempts']);
  if (status !== 'PENDING') return recordedOutcome(tx, callId, status, attempts, row['last_error_code'] as string | null);
  if (row['lease_owner'] === fence) return { kind: 'opened', callId, attempt: attempts, fence };

  if (row['lease_owner'] !== null) {
    const stillLeasedMs = Math.ceil(Number(row['lease_ms']));
    if (stillLeasedMs > 0) return { kind: 'in-flight', leaseMs: stillLeasedMs, attempts };
    // Its worker died between the request record and the response snapshot: the request may have been sent.
    await tx.run(
      `update external_call set status = 'UNKNOWN', last_error_code = ?, lease_owner = null, lease_until = null, updated_at = utc_timestamp(3) where id = ?`,
      [ABANDONED, callId],
    );
    return recordedOutcome(tx, callId, 'UNKNOWN', attempts, ABANDONED);
  }
  const retryAfterMs = Math.ceil(Number(row['not_before_ms'] ?? 0));
  if (retryAfterMs > 0) return { kind: 'not-before', retryAfterMs, attempts };

  await tx.run(
    `update external_call set attempts = ?, lease_owner = ?, lease_until = ${LEASE_END}, not_before = null, updated_at = utc_timestamp(3) where id = ?`,
    [attempts + 1, fence, leaseMs * 1000, callId],
  );
  await insertAttempts(tx, [{ callId, attempt: attempts + 1, request }]);
  return { kind: 'opened', callId, attempt: attempts + 1, fence };
}

async function recordedOutcome(
  tx: Transaction,
  callId: number,
  status: RecordedOutcome['status'],
  attempts: number,
  errorCode: string | null,
): Promise<OpenResult> {
  // Only the snapshot that made the row what it is: a status check may have settled it without one.
  const [last] = await tx.rows(
    'select http_status, headers, body from external_call_response where call_id = ? and attempt = ? and status = ?',
    [callId, attempts, status],
  );
  const headers = JSON.parse((last?.['headers'] as string | null) ?? '[]') as [string, string][];
  return {
    kind: 'recorded',
    status,
    attempts,
    errorCode: errorCode ?? undefined,
    httpStatus: (last?.['http_status'] as number | null) ?? undefined,
    contentType: headers.find(([name]) => name === 'content-type')?.[1],
    body: (last?.['body'] as Buffer | null) ?? undefined,
  };
}
