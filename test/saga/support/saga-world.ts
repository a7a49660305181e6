import type { EntityManager } from '@mikro-orm/core';
import { CallInFlightError, CallRejectedError, CallUnavailableError, UnknownOutcomeError } from '../../../src/errors.ts';
import type { ExternalCallStore } from '../../../src/gateway/external-call-store.ts';
import type { CallOptions, CallOutcome, FinalOutcome } from '../../../src/gateway/call-outcome.ts';
import type { Gateway } from '../../../src/gateway/gateway.ts';
import type { CallStatus } from '../../../src/gateway/call-status.ts';
import type { ExternalCall } from '../../../src/gateway/external-call.ts';
import type { StatusAnswer } from '../../../src/gateway/status-check.ts';
import type { AskInstitution } from '../../../src/saga/ask-institution.ts';
import type { SagaStore } from '../../../src/saga/saga-store.ts';
import { InMemorySagaStore, inMemory, memoryOf } from './in-memory-saga-store.ts';

/** What an institution does with one attempt. */
export type Fate =
  | 'SUCCESS'
  | 'FAIL'
  | 'PENDING'
  | 'UNKNOWN, acted'
  | 'UNKNOWN, refused'
  | 'UNKNOWN, never arrived'
  /** Done, but that could not be recorded: the row stays PENDING under its lease. */
  | 'SUCCESS, unrecorded'
  /** Done and recorded, but the answer to COMMIT was lost: the caller is told PENDING. */
  | 'SUCCESS, recorded unawares';

/** What a process does when it comes to its n-th point. */
export interface Fall {
  readonly at: number;
  readonly how: 'killed' | 'stopped';
}

export class Killed extends Error {}

const CALL_LEASE_MS = 60_000;

interface CallRow {
  status: CallStatus;
  fence: object | undefined;
  leaseUntil: number;
  attempts: number;
}

/** Everything that outlives a process: time, the database, the institutions. */
export class World {
  now = 1_000_000;
  readonly store = new InMemorySagaStore(() => this.now);
  readonly calls = new Map<string, CallRow>();
  /** Effects in their order, of institutions and of local steps that committed. */
  readonly effects: string[] = [];
  /** What the institutions know. */
  readonly refused = new Set<string>();
  readonly fates: (key: string, attempt: number) => Fate;
  readonly silentQuestions: number;

  constructor(fates: (key: string, attempt: number) => Fate, silentQuestions = 0) {
    this.fates = fates;
    this.silentQuestions = silentQuestions;
    this.store.endCall = ({ callName, key, to }, from) => {
      const row = this.row(`${callName} ${key}`);
      if (row.status === to) return true;
      if (row.fence !== undefined || !from.includes(row.status)) return false;
      row.status = to;
      return true;
    };
  }

  row(name: string): CallRow {
    let row = this.calls.get(name);
    if (row === undefined) this.calls.set(name, (row = { status: 'PENDING', fence: undefined, leaseUntil: 0, attempts: 0 }));
    return row;
  }

  count(effect: string): number {
    return this.effects.filter((other) => other === effect).length;
  }

  /** To the moment at which something is due; false when nothing ever is. */
  skipAhead(): boolean {
    const due = [...this.store.instances.values()].flatMap(({ nextRunAt }) => nextRunAt ?? []);
    if (due.length === 0) return false;
    this.now = Math.max(this.now, Math.min(...due));
    return true;
  }
}

/** A process of its own on the world: it can be killed, or stopped and continued, at each of its points. */
export class Process {
  readonly #world: World;
  readonly #fall: Fall | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #go = Promise.withResolvers<void>();
  #isDead = false;
  #isInTransaction = false;
  points = 0;

  constructor(world: World, fall?: Fall) {
    this.#world = world;
    this.#fall = fall;
  }

  /** Resolves when it has been stopped. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  continue(): void {
    this.#go.resolve();
  }

  async #point(): Promise<void> {
    if (this.#isDead) throw new Killed();
    this.points += 1;
    if (this.points !== this.#fall?.at) return;
    // A transaction holds its locks while its process is stopped: nobody could go on, so that is no case of its own.
    if (this.#fall.how === 'stopped' && !this.#isInTransaction) {
      this.#stopped.resolve();
      await this.#go.promise;
      return;
    }
    this.#isDead = true;
    throw new Killed();
  }

  /** The store as this process reaches it: it may fall before each operation and after it. */
  get store(): SagaStore {
    const { store } = this.#world;
    return new Proxy(store, {
      get: (target, name: keyof SagaStore) => {
        const method = target[name] as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]) => {
          if (name === 'record' && args[2] !== undefined) return method.apply(target, args);
          await this.#point();
          const work = args[1];
          if (name === 'recordWith') {
            args[1] = async (em: EntityManager) => {
              const change = await (work as (em: EntityManager) => Promise<unknown>)(em);
              await this.#inTransaction(() => this.#point());
              return change;
            };
          }
          const result = await method.apply(target, args);
          await this.#point();
          return result;
        };
      },
    });
  }

  async #inTransaction(work: () => Promise<void>): Promise<void> {
    this.#isInTransaction = true;
    try {
      await work();
    } finally {
      this.#isInTransaction = false;
    }
  }

  /** A local effect, undone with its transaction. */
  effect(em: EntityManager, name: string): void {
    const { effects } = this.#world;
    effects.push(name);
    memoryOf(em).undo.push(() => void effects.splice(effects.lastIndexOf(name), 1));
  }

  get gateway(): Gateway {
    const call: Gateway['call'] = (definition, _input, options) => this.#call(definition, options);
    return { call } as Gateway;
  }

  async #call<I, R>({ name }: ExternalCall<I, R>, { idempotencyKey, apply }: CallOptions<R>): Promise<CallOutcome<R>> {
    const world = this.#world;
    await this.#point();
    const row = world.row(`${name} ${idempotencyKey}`);
    if (row.status === 'PENDING' && row.fence !== undefined) {
      if (row.leaseUntil > world.now)
        return { status: 'PENDING', error: new CallInFlightError('in flight'), retryAfterMs: 1_000, attempt: row.attempts };
      Object.assign(row, { status: 'UNKNOWN', fence: undefined });
    }
    if (row.status !== 'PENDING') return { ...outcomeAs<R>(row.status, row.attempts), replayed: true } as CallOutcome<R>;
    const fence = {};
    Object.assign(row, { fence, leaseUntil: world.now + CALL_LEASE_MS, attempts: row.attempts + 1 });
    const fate = world.fates(idempotencyKey, row.attempts);
    // Stopped between its record and its first byte it would wake up to a dead socket: killed is what there is.
    await this.#inTransaction(() => this.#point());
    if (fate.startsWith('SUCCESS') || fate === 'UNKNOWN, acted') world.effects.push(idempotencyKey);
    if (fate === 'FAIL' || fate === 'UNKNOWN, refused') world.refused.add(idempotencyKey);
    await this.#point();
    const unrecorded = {
      status: 'PENDING',
      error: new UnknownOutcomeError('not recorded'),
      retryAfterMs: CALL_LEASE_MS,
      attempt: row.attempts,
    } as const;
    if (fate === 'SUCCESS, unrecorded') return unrecorded;
    const to = fate.split(',')[0] as CallStatus;
    const outcome = outcomeAs<R>(to, row.attempts);
    if (row.fence !== fence) return outcomeAs<R>('UNKNOWN', row.attempts);
    await inMemory(async (em) => {
      const before = { ...row };
      memoryOf(em).undo.push(() => Object.assign(row, before));
      Object.assign(row, { status: to, fence: undefined });
      if (to === 'SUCCESS' || to === 'FAIL') await apply?.(em, outcome as FinalOutcome<R>);
      await this.#inTransaction(() => this.#point());
    });
    await this.#point();
    return fate === 'SUCCESS, recorded unawares' ? unrecorded : outcome;
  }

  get ask(): AskInstitution {
    return async <I, R>(_call: ExternalCall<I, R>, _input: I, { idempotencyKey, nth }: { idempotencyKey: string; nth: number }) => {
      await this.#point();
      const { effects, refused, silentQuestions } = this.#world;
      const asked = `${idempotencyKey} ${nth}`;
      if (this.#asked.size < silentQuestions) {
        this.#asked.add(asked);
        return undefined;
      }
      await this.#point();
      if (effects.includes(idempotencyKey)) return { status: 'SUCCESS', response: 'found' as R } satisfies StatusAnswer<R>;
      return { status: refused.has(idempotencyKey) ? 'FAIL' : 'ABSENT' };
    };
  }
  readonly #asked = new Set<string>();

  get calls(): ExternalCallStore {
    return {
      resolveUnknown: async (callName, key, to, { apply } = {}) => {
        await this.#point();
        const row = this.#world.row(`${callName} ${key}`);
        if (row.status !== 'UNKNOWN') return false;
        await inMemory(async (em) => {
          memoryOf(em).undo.push(() => Object.assign(row, { status: 'UNKNOWN' }));
          Object.assign(row, { status: to, fence: undefined });
          await apply?.(em);
          await this.#inTransaction(() => this.#point());
        });
        await this.#point();
        return true;
      },
    } as ExternalCallStore;
  }
}

function outcomeAs<R>(status: CallStatus, attempt: number): CallOutcome<R> {
  switch (status) {
    case 'SUCCESS':
      return { status, response: 'answered' as R, httpStatus: 201, replayed: false };
    case 'FAIL':
      return { status, error: new CallRejectedError('refused'), httpStatus: 422, response: undefined, replayed: false };
    case 'UNKNOWN':
      return { status, error: new UnknownOutcomeError('unknown'), replayed: false };
    case 'PENDING':
      return { status, error: new CallUnavailableError('unavailable'), retryAfterMs: 0, attempt };
  }
}
