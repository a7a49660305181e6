import { randomUUID } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/core';
import type { ClaimedSaga, SagaInstance, SagaStepRecord } from '../../../src/saga/saga-instance.ts';
import { SAGA_STATUSES, canSagaMove, isSagaActive } from '../../../src/saga/saga-status.ts';
import type { KnownSaga, RecordResult, SagaChange, SagaDecision, SagaStore, SettleCall } from '../../../src/saga/saga-store.ts';
import { canStepMove } from '../../../src/saga/step-status.ts';
import type { AnySaga } from '../../../src/saga/define-saga.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type StoredStep = Mutable<SagaStepRecord> & { unknownSince: number | undefined };
type Stored = Omit<Mutable<SagaInstance>, 'steps'> & {
  steps: StoredStep[];
  fence: string | undefined;
  nextRunAt: number | undefined;
  decisions: (SagaDecision & { at: Date })[];
};

/** A transaction in memory: writes are done at once and undone when it does not commit. */
export interface MemoryTransaction {
  readonly undo: (() => void)[];
}

export const memoryOf = (em: EntityManager): MemoryTransaction => em as unknown as MemoryTransaction;

/** Runs work in a transaction; `beforeCommit` may still fail it. */
export async function inMemory<T>(work: (em: EntityManager) => Promise<T>, beforeCommit: () => void = () => {}): Promise<T> {
  const transaction: MemoryTransaction = { undo: [] };
  try {
    const result = await work(transaction as unknown as EntityManager);
    beforeCommit();
    return result;
  } catch (error) {
    for (const undo of transaction.undo.toReversed()) undo();
    throw error;
  }
}

/** The store's contract on a Map. Refuses every move that the transition tables do not know. */
export class InMemorySagaStore implements SagaStore {
  readonly instances = new Map<string, Stored>();
  readonly now: () => number;
  /** Ends a call for good; false when it is in progress or has another end. */
  endCall: (call: SettleCall, from: readonly string[]) => boolean = () => true;

  constructor(now: () => number) {
    this.now = now;
  }

  start(saga: AnySaga, id: string, input: unknown = {}): void {
    this.instances.set(id, {
      id,
      saga: saga.name,
      version: saga.version,
      fingerprint: saga.fingerprint,
      input: JSON.stringify(input),
      correlationId: `correlation-${id}`,
      status: 'RUNNING',
      step: 0,
      direction: 'action',
      revision: 0,
      error: undefined,
      steps: [],
      fence: undefined,
      nextRunAt: this.now(),
      decisions: [],
    });
  }

  get(id: string): Stored {
    return this.instances.get(id)!;
  }

  async claim(known: readonly KnownSaga[], limit: number, leaseMs: number): Promise<readonly ClaimedSaga[]> {
    const fence = randomUUID();
    const due = [...this.instances.values()].filter((stored) => this.#isDue(stored) && known.some((saga) => isOf(stored, saga)));
    due.sort((a, b) => a.nextRunAt! - b.nextRunAt!);
    return due.slice(0, limit).map((stored) => {
      Object.assign(stored, { fence, nextRunAt: this.now() + leaseMs });
      return this.#copy(stored, fence);
    });
  }

  async begin(claimed: ClaimedSaga, of: { step: number; name: string; direction: SagaStepRecord['direction'] }, leaseMs: number) {
    const stored = this.#mine(claimed);
    if (stored === undefined) return undefined;
    stored.nextRunAt = this.now() + leaseMs;
    let step = find(stored, of);
    if (step === undefined) {
      const begun = { status: 'RUNNING', attempts: 0, failures: 0, round: 1, asked: 0 } as const;
      step = { ...of, ...begun, unknownForMs: undefined, unknownSince: undefined, result: undefined, error: undefined };
      stored.steps.push(step);
    }
    step.attempts += 1;
    if (step.status !== 'UNKNOWN') move(step, 'RUNNING');
    return step.attempts;
  }

  async record(claimed: ClaimedSaga, change: SagaChange, em?: EntityManager): Promise<RecordResult> {
    if (em === undefined) return this.#apply(claimed, change, { undo: [] });
    const stored = this.instances.get(claimed.id)!;
    if (this.#mine(claimed)) return this.#apply(claimed, change, memoryOf(em));
    const step = find(stored, change.step);
    if (step && step.result === undefined && !['DONE', 'FAILED'].includes(step.status)) step.result = change.step.result;
    return 'lost';
  }

  async recordWith(claimed: ClaimedSaga, work: (em: EntityManager) => Promise<SagaChange>): Promise<RecordResult> {
    if (!this.#mine(claimed)) return 'lost';
    return inMemory(async (em) => this.#apply(claimed, await work(em), memoryOf(em)));
  }

  async release(claimed: ClaimedSaga): Promise<void> {
    const stored = this.instances.get(claimed.id);
    if (stored?.fence === claimed.fence) Object.assign(stored, { fence: undefined, nextRunAt: this.now() });
  }

  async reload(claimed: ClaimedSaga): Promise<ClaimedSaga | undefined> {
    const stored = this.instances.get(claimed.id);
    return stored?.fence === claimed.fence ? this.#copy(stored, claimed.fence) : undefined;
  }

  async unknownDefinitions(known: readonly KnownSaga[]) {
    const strange = [...this.instances.values()].filter((stored) => this.#isDue(stored) && !known.some((saga) => isOf(stored, saga)));
    return strange.map(({ saga, version, fingerprint }) => ({ name: saga, version, fingerprint, instances: 1 }));
  }

  async decide(
    id: string,
    decision: SagaDecision,
    decide: (instance: SagaInstance) => SagaChange & { readonly settleCall?: SettleCall | undefined },
  ): Promise<SagaInstance | undefined> {
    const stored = this.instances.get(id);
    if (stored === undefined) return undefined;
    const instance = this.#copy(stored, '');
    const change = decide(instance);
    if (change.settleCall) this.endCall(change.settleCall, ['PENDING', 'UNKNOWN']);
    this.#write(stored, change);
    stored.decisions.push({ ...decision, at: new Date(this.now()) });
    return instance;
  }

  async find(id: string) {
    const stored = this.instances.get(id);
    return stored && { ...this.#copy(stored, ''), decisions: stored.decisions };
  }

  async countByStatus() {
    const count = (status: string): number => [...this.instances.values()].filter((stored) => stored.status === status).length;
    return Object.fromEntries(SAGA_STATUSES.map((status) => [status, count(status)])) as Awaited<ReturnType<SagaStore['countByStatus']>>;
  }

  async list() {
    return [];
  }

  #isDue = ({ nextRunAt }: Stored): boolean => nextRunAt !== undefined && nextRunAt <= this.now();

  #mine({ id, fence, revision }: ClaimedSaga): Stored | undefined {
    const stored = this.instances.get(id);
    return stored?.fence === fence && stored.revision === revision ? stored : undefined;
  }

  #apply(claimed: ClaimedSaga, change: SagaChange, { undo }: MemoryTransaction): RecordResult {
    const stored = this.#mine(claimed);
    if (stored === undefined) return 'lost';
    if (change.giveUp && !this.endCall({ ...change.giveUp, to: 'FAIL' }, ['PENDING'])) return 'in-progress';
    const before = { ...stored, steps: stored.steps.map((step) => ({ ...step })) };
    undo.push(() => Object.assign(stored, before));
    this.#write(stored, change);
    return 'recorded';
  }

  #write(stored: Stored, { step, to }: SagaChange): void {
    if (!canSagaMove(stored.status, to.status)) throw new Error(`no such move: ${stored.status} → ${to.status}`);
    const record = find(stored, step)!;
    move(record, step.status);
    const unknownSince = step.status === 'UNKNOWN' ? (record.unknownSince ?? this.now()) : undefined;
    Object.assign(record, { ...step, result: step.result ?? record.result, unknownSince });
    const isActive = isSagaActive(to.status);
    const keepsLease = isActive && to.afterMs === undefined;
    Object.assign(stored, { status: to.status, step: to.step, direction: to.direction, error: to.error, revision: stored.revision + 1 });
    if (!keepsLease) Object.assign(stored, { fence: undefined, nextRunAt: isActive ? this.now() + (to.afterMs ?? 0) : undefined });
  }

  #copy(stored: Stored, fence: string): ClaimedSaga {
    const { decisions: _decisions, nextRunAt: _nextRunAt, ...instance } = stored;
    const steps = instance.steps.map(({ unknownSince, ...step }) => ({
      ...step,
      unknownForMs: unknownSince === undefined ? undefined : this.now() - unknownSince,
    }));
    return { ...instance, steps, fence };
  }
}

const isOf = (stored: Stored, { name, version, fingerprint }: KnownSaga): boolean =>
  stored.saga === name && stored.version === version && stored.fingerprint === fingerprint;

const find = ({ steps }: Stored, of: { step: number; direction: string }): StoredStep | undefined =>
  steps.find(({ step, direction }) => step === of.step && direction === of.direction);

function move(step: StoredStep, to: SagaStepRecord['status']): void {
  // A person's retry leaves an unknown or waiting step as it is.
  if (step.status !== to && !canStepMove(step.status, to)) throw new Error(`no such move: ${step.status} → ${to}`);
  step.status = to;
}
