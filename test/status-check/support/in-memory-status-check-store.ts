import { randomUUID } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/core';
import { canMove, type Move, type OpenState } from '../../../src/status-check/status-check-state.ts';
import type {
  CheckKey,
  ClaimedCheck,
  KnownCall,
  NewStatusCheck,
  StatusCheckRecord,
  StatusCheckStore,
} from '../../../src/status-check/status-check-store.ts';
import type { InMemoryExternalCallStore } from '../../support/in-memory-external-call-store.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Stored extends Mutable<Omit<StatusCheckRecord, 'unknownForMs' | 'callStatus'>> {
  readonly unknownSince: number;
  nextCheckAt: number;
  claims: number;
  fence: string | undefined;
  leaseUntil: number;
  errorCode: string | undefined;
  lastMove: Move | undefined;
}

/** The store's contract on a Map, in the time of a test. */
export class InMemoryStatusCheckStore implements StatusCheckStore {
  readonly records = new Map<string, Stored>();
  /** Set to make every method fail. */
  fault: unknown;
  readonly #calls: InMemoryExternalCallStore;

  constructor(calls: InMemoryExternalCallStore) {
    this.#calls = calls;
  }

  only(): Stored {
    const [record, ...others] = this.records.values();
    if (!record || others.length > 0) throw new Error(`${this.records.size} records, not one`);
    return record;
  }

  async schedule({ errorCode, afterMs, ...check }: NewStatusCheck): Promise<boolean> {
    this.#fail();
    if (this.records.has(nameOf(check))) return false;
    const now = this.#calls.now();
    this.records.set(nameOf(check), {
      ...check,
      state: afterMs === undefined ? 'REVIEW' : 'DUE',
      checks: 0,
      claims: 0,
      unknownSince: now,
      nextCheckAt: now + (afterMs ?? 0),
      fence: undefined,
      leaseUntil: 0,
      errorCode,
      lastMove: undefined,
    });
    return true;
  }

  async claim({ calls, limit, leaseMs }: { calls: readonly KnownCall[]; limit: number; leaseMs: number }): Promise<ClaimedCheck[]> {
    this.#fail();
    const isKnown = (record: Stored): boolean =>
      calls.some(({ listener, callName }) => listener === record.listener && callName === record.callName);
    return [...this.records.values()]
      .filter((record) => isKnown(record) && this.#isDue(record, 0))
      .slice(0, limit)
      .map((record) => this.#claim(record, leaseMs));
  }

  async claimOne(key: CheckKey, { leaseMs, earlyMs }: { leaseMs: number; earlyMs: number }): Promise<ClaimedCheck | undefined> {
    this.#fail();
    const record = this.records.get(nameOf(key));
    return record && this.#isDue(record, earlyMs) ? this.#claim(record, leaseMs) : undefined;
  }

  async move(claimed: ClaimedCheck, move: Move): Promise<boolean> {
    this.#fail();
    const record = this.records.get(nameOf(claimed));
    if (record?.fence !== claimed.fence || !canMove(record.state, move.to)) return false;
    this.#move(record, move);
    record.fence = undefined;
    const call = this.#calls.calls.get(nameOf(claimed));
    if (move.to === 'REVIEW' && call?.status === 'PENDING' && call.fence === undefined) call.status = 'UNKNOWN';
    return true;
  }

  async moveWithin(_: EntityManager, key: CheckKey, move: Move): Promise<void> {
    const record = this.records.get(nameOf(key));
    if (record && canMove(record.state, move.to)) this.#move(record, move);
  }

  async release({ fence, ...claimed }: ClaimedCheck): Promise<void> {
    this.#fail();
    const record = this.records.get(nameOf(claimed));
    if (record?.fence === fence) Object.assign(record, { fence: undefined });
  }

  async callStatus(key: CheckKey) {
    return this.#calls.calls.get(nameOf(key))?.status;
  }

  async find(key: CheckKey): Promise<StatusCheckRecord | undefined> {
    const record = this.records.get(nameOf(key));
    return record && this.#snapshot(record);
  }

  async closeSettled(): Promise<number> {
    const settled = [...this.records.values()].filter(
      (record) => record.state === 'REVIEW' && ['SUCCESS', 'FAIL'].includes(this.#calls.calls.get(nameOf(record))?.status ?? ''),
    );
    for (const record of settled) record.state = 'DONE';
    return settled.length;
  }

  async overdueOfOthers(calls: readonly KnownCall[], overdueMs: number) {
    const others = [...this.records.values()].filter(
      (record) => this.#isDue(record, -overdueMs) && !calls.some(({ listener }) => listener === record.listener),
    );
    return others.map(({ listener, callName }) => ({ listener, callName, count: 1 }));
  }

  #fail(): void {
    if (this.fault !== undefined) throw this.fault;
  }

  #isDue({ state, nextCheckAt, fence, leaseUntil }: Stored, earlyMs: number): boolean {
    const now = this.#calls.now();
    return (state === 'DUE' || state === 'RETRY') && nextCheckAt <= now + earlyMs && (fence === undefined || leaseUntil <= now);
  }

  #claim(record: Stored, leaseMs: number): ClaimedCheck {
    const fence = randomUUID();
    Object.assign(record, { fence, leaseUntil: this.#calls.now() + leaseMs, claims: record.claims + 1 });
    return { ...this.#snapshot(record), state: record.state as OpenState, claim: record.claims, fence };
  }

  #move(record: Stored, move: Move): void {
    record.state = move.to;
    record.lastMove = move;
    if (move.to === 'DONE') return;
    record.checks += move.note.isCounted ? 1 : 0;
    record.errorCode = move.note.errorCode;
    if (move.to !== 'REVIEW') record.nextCheckAt = this.#calls.now() + move.afterMs;
  }

  #snapshot({ callName, idempotencyKey, listener, correlationId, message, state, checks, unknownSince }: Stored): StatusCheckRecord {
    const callStatus = this.#calls.calls.get(nameOf({ callName, idempotencyKey }))?.status;
    const unknownForMs = this.#calls.now() - unknownSince;
    return { callName, idempotencyKey, listener, correlationId, message, state, checks, callStatus, unknownForMs };
  }
}

const nameOf = ({ callName, idempotencyKey }: CheckKey): string => `${callName} ${idempotencyKey}`;
