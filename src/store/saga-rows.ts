import type { EntityManager } from '@mikro-orm/core';
import type { ClaimedSaga, SagaInstance, SagaStepRecord } from '../saga/saga-instance.ts';
import type { SagaSummary } from '../saga/saga-store.ts';
import type { SagaStatus } from '../saga/saga-status.ts';
import type { StepDirection, StepStatus } from '../saga/step-status.ts';
import { utcDate } from './utc-date.ts';

type Bind = string | number | null;
type Row = Readonly<Record<string, unknown>>;

/** Statements on the connection, and in the transaction, an entity manager is bound to. */
export interface Statements {
  run(sql: string, binds: readonly Bind[]): Promise<number>;
  rows(sql: string, binds?: readonly Bind[]): Promise<readonly Row[]>;
}

export function statementsOf(em: EntityManager): Statements {
  const connection = em.getConnection('write');
  const context = em.getTransactionContext();
  return {
    run: async (sql, binds) =>
      ((await connection.execute(sql, [...binds], 'run', context)) as { readonly affectedRows: number }).affectedRows,
    rows: (sql, binds = []) => connection.execute(sql, [...binds], 'all', context) as Promise<readonly Row[]>,
  };
}

const INSTANCE = 'id, saga, version, fingerprint, input, correlation_id, traceparent, status, step, direction, revision, error';

/** Instances matching `where`, with their steps, in the order asked for. */
export async function selectInstances(db: Statements, where: string, binds: readonly Bind[]): Promise<readonly SagaInstance[]> {
  const found = await db.rows(`select ${INSTANCE} from saga_instance where ${where}`, binds);
  if (found.length === 0) return [];
  const steps = await db.rows(
    `select saga_id, step, name, direction, status, attempts, failures, round, asked, result, error,
       timestampdiff(microsecond, unknown_since, utc_timestamp(3)) / 1000 as unknown_for_ms
     from saga_step where saga_id in (${found.map(() => '?').join(', ')}) order by saga_id, step, direction`,
    found.map(({ id }) => String(id)),
  );
  return found.map((row) => ({
    id: String(row['id']),
    saga: String(row['saga']),
    version: Number(row['version']),
    fingerprint: String(row['fingerprint']),
    input: String(row['input']),
    correlationId: String(row['correlation_id']),
    traceparent: optional(row['traceparent']),
    status: row['status'] as SagaStatus,
    step: Number(row['step']),
    direction: row['direction'] as StepDirection,
    revision: Number(row['revision']),
    error: optional(row['error']),
    steps: steps.filter((step) => step['saga_id'] === row['id']).map(stepOf),
  }));
}

export const withFence = (instance: SagaInstance, fence: string): ClaimedSaga => ({ ...instance, fence });

const stepOf = (row: Row): SagaStepRecord => ({
  step: Number(row['step']),
  name: String(row['name']),
  direction: row['direction'] as StepDirection,
  status: row['status'] as StepStatus,
  attempts: Number(row['attempts']),
  failures: Number(row['failures']),
  round: Number(row['round']),
  asked: Number(row['asked']),
  unknownForMs: row['unknown_for_ms'] === null ? undefined : Number(row['unknown_for_ms']),
  result: optional(row['result']),
  error: optional(row['error']),
});

export const summaryOf = (row: Row): SagaSummary => ({
  id: String(row['id']),
  saga: String(row['saga']),
  version: Number(row['version']),
  status: row['status'] as SagaStatus,
  stepName: optional(row['step_name']),
  direction: row['direction'] as StepDirection,
  error: optional(row['error']),
  correlationId: String(row['correlation_id']),
  createdAt: utcDate(row['created_at']),
  updatedAt: utcDate(row['updated_at']),
});

const optional = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
