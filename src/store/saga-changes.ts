import type { SagaInstance } from '../saga/saga-instance.ts';
import { isSagaActive } from '../saga/saga-status.ts';
import type { SagaChange, SettleCall } from '../saga/saga-store.ts';
import type { Statements } from './saga-rows.ts';
import { isDuplicateKey } from './mysql-error.ts';

export const FROM_NOW = 'utc_timestamp(3) + interval ? microsecond';

/** Moves the instance under its fence and revision; false when it is not as the caller knows it. `fence` null: it is parked. */
export async function moveInstance(
  db: Statements,
  { id, revision }: SagaInstance,
  fence: string | null,
  { to }: SagaChange,
): Promise<boolean> {
  const isActive = isSagaActive(to.status);
  const keepsLease = isActive && to.afterMs === undefined;
  const nextRunAt = keepsLease ? 'next_run_at' : isActive ? FROM_NOW : 'null';
  const moved = await db.run(
    `update saga_instance set status = ?, step = ?, direction = ?, error = ?, revision = revision + 1, next_run_at = ${nextRunAt},
       ${keepsLease ? '' : 'lease_owner = null,'} updated_at = utc_timestamp(3), ended_at = ${isActive || to.status === 'PARKED' ? 'null' : 'utc_timestamp(3)'}
     where id = ? and lease_owner <=> ? and revision = ?`,
    [
      to.status,
      to.step,
      to.direction,
      to.error?.slice(0, 1_000) ?? null,
      ...(isActive && !keepsLease ? [(to.afterMs ?? 0) * 1_000] : []),
      id,
      fence,
      revision,
    ],
  );
  return moved > 0;
}

export async function writeStep(db: Statements, id: string, { step }: SagaChange): Promise<void> {
  await db.run(
    `update saga_step set status = ?, failures = ?, round = ?, asked = ?, result = coalesce(?, result), error = ?,
       unknown_since = if(? = 'UNKNOWN', coalesce(unknown_since, utc_timestamp(3)), null), updated_at = utc_timestamp(3)
     where saga_id = ? and step = ? and direction = ?`,
    [
      step.status,
      step.failures,
      step.round,
      step.asked,
      step.result ?? null,
      step.error?.slice(0, 1_000) ?? null,
      step.status,
      id,
      step.step,
      step.direction,
    ],
  );
}

/** The result of a call that was recorded behind the back of the runner that has the instance now. */
export async function keepResult(db: Statements, id: string, { step }: SagaChange): Promise<void> {
  if (step.result === undefined) return;
  await db.run(
    `update saga_step set result = ? where saga_id = ? and step = ? and direction = ? and result is null and status not in ('DONE', 'FAILED')`,
    [step.result, id, step.step, step.direction],
  );
}

/**
 * Gives a call that nobody is making, and whose outcome nobody knows, its end; one that was never begun gets its row, so
 * that a runner that was stopped just before it finds it ended. False when it is being made or has another end.
 */
export async function endCall(db: Statements, call: SettleCall, correlationId: string, from: readonly string[]): Promise<boolean> {
  const { callName, key, to } = call;
  const ended = await db.run(
    `update external_call set status = ?, last_error_code = 'CB_SETTLED_BY_SAGA', not_before = null, updated_at = utc_timestamp(3)
     where call_name = ? and idempotency_key = ? and lease_owner is null and status in (${from.map(() => '?').join(', ')})`,
    [to, callName, key, ...from],
  );
  if (ended > 0) return true;
  try {
    await db.run(
      `insert into external_call (call_name, idempotency_key, correlation_id, status, attempts, last_error_code, created_at, updated_at)
       values (?, ?, ?, ?, 0, 'CB_SETTLED_BY_SAGA', utc_timestamp(3), utc_timestamp(3))`,
      [callName, key, correlationId, to],
    );
    return true;
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    const [row] = await db.rows('select status from external_call where call_name = ? and idempotency_key = ? for update', [callName, key]);
    return row?.['status'] === to;
  }
}
