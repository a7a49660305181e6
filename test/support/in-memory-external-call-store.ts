import { randomUUID } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/core';
import { type CallStatus, isFinal } from '../../src/gateway/call-status.ts';
import type {
  Apply,
  CloseResult,
  ExternalCallStore,
  OpenedAttempt,
  OpenResult,
  RequestRecord,
  ResponseSnapshot,
} from '../../src/gateway/external-call-store.ts';

export interface StoredCall {
  readonly callId: number;
  status: CallStatus;
  attempts: number;
  fence: string | undefined;
  leaseUntil: number;
  notBefore: number;
  errorCode: string | undefined;
  readonly requests: RequestRecord[];
  readonly responses: Map<number, ResponseSnapshot>;
}

/** The store's contract on a Map, so that tests of the gateway need no database. `apply` is given no entity manager. */
export class InMemoryExternalCallStore implements ExternalCallStore {
  readonly calls = new Map<string, StoredCall>();
  readonly now: () => number;
  /** Set to make the method of that name fail, each time. */
  fault: Partial<Record<'open' | 'close', () => Promise<void>>> = {};

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  only(): StoredCall {
    const [call, ...others] = this.calls.values();
    if (!call || others.length > 0) throw new Error(`${this.calls.size} calls are stored, not one`);
    return call;
  }

  async open(request: RequestRecord, leaseMs: number): Promise<OpenResult> {
    await this.fault.open?.();
    const key = `${request.callName} ${request.idempotencyKey}`;
    const call: StoredCall = this.calls.get(key) ?? {
      callId: this.calls.size + 1,
      status: 'PENDING',
      attempts: 0,
      fence: undefined,
      leaseUntil: 0,
      notBefore: 0,
      errorCode: undefined,
      requests: [],
      responses: new Map(),
    };
    this.calls.set(key, call);
    const now = this.now();
    if (call.status === 'PENDING' && call.fence) {
      if (call.leaseUntil > now) return { kind: 'in-flight', leaseMs: call.leaseUntil - now, attempts: call.attempts };
      Object.assign(call, { status: 'UNKNOWN', fence: undefined, errorCode: 'CB_UNKNOWN_OUTCOME' });
    }
    if (call.status !== 'PENDING') {
      const last = call.responses.get(call.attempts);
      const headers = JSON.parse(last?.headers ?? '[]') as [string, string][];
      return {
        kind: 'recorded',
        status: call.status,
        attempts: call.attempts,
        errorCode: call.errorCode,
        httpStatus: last?.httpStatus,
        contentType: headers.find(([name]) => name === 'content-type')?.[1],
        body: last?.body?.bytes,
      };
    }
    if (call.notBefore > now) return { kind: 'not-before', retryAfterMs: call.notBefore - now, attempts: call.attempts };
    const fence = randomUUID();
    Object.assign(call, { attempts: call.attempts + 1, fence, leaseUntil: now + leaseMs, notBefore: 0 });
    call.requests.push(writtenRequest(request));
    return { kind: 'opened', callId: call.callId, attempt: call.attempts, fence };
  }

  async close(
    opened: OpenedAttempt,
    snapshot: ResponseSnapshot,
    to: CallStatus,
    { notBeforeMs = 0, apply }: { notBeforeMs?: number | undefined; apply?: Apply | undefined },
  ): Promise<CloseResult> {
    await this.fault.close?.();
    const call = [...this.calls.values()].find(({ callId }) => callId === opened.callId);
    if (!call) throw new Error('no such call');
    if (call.responses.has(opened.attempt)) return { kind: 'closed' };
    if (call.fence !== opened.fence || call.status !== 'PENDING') {
      call.responses.set(opened.attempt, writtenResponse(snapshot));
      return { kind: 'lease-lost' };
    }
    let failure: { readonly error: unknown } | undefined;
    if (apply && isFinal(to)) await apply(undefined as unknown as EntityManager).catch((error: unknown) => void (failure = { error }));
    call.responses.set(opened.attempt, writtenResponse(snapshot));
    Object.assign(call, {
      status: failure ? 'UNKNOWN' : to,
      fence: undefined,
      notBefore: this.now() + notBeforeMs,
      errorCode: snapshot.errorCode,
    });
    return failure ? { kind: 'apply-failed', error: failure.error } : { kind: 'closed' };
  }

  async resolveUnknown(
    callName: string,
    idempotencyKey: string,
    to: 'SUCCESS' | 'FAIL' | 'PENDING',
    { apply }: { apply?: Apply | undefined } = {},
  ): Promise<boolean> {
    const call = this.calls.get(`${callName} ${idempotencyKey}`);
    if (call?.status !== 'UNKNOWN') return false;
    await apply?.(undefined as unknown as EntityManager);
    Object.assign(call, { status: to, fence: undefined });
    return true;
  }
}

// Evidence is worked out when it is read: a store that keeps it reads all of it.
const writtenRequest = (record: RequestRecord): RequestRecord => ({
  callName: record.callName,
  idempotencyKey: record.idempotencyKey,
  correlationId: record.correlationId,
  origin: record.origin,
  method: record.method,
  path: record.path,
  headers: record.headers,
  body: record.body,
  openedAt: record.openedAt,
});
const writtenResponse = (snapshot: ResponseSnapshot): ResponseSnapshot => ({
  httpStatus: snapshot.httpStatus,
  headers: snapshot.headers,
  body: snapshot.body,
  isTruncated: snapshot.isTruncated,
  failedPhase: snapshot.failedPhase,
  times: snapshot.times,
  remoteAddress: snapshot.remoteAddress,
  errorCode: snapshot.errorCode,
  errorChain: snapshot.errorChain,
  closedAt: snapshot.closedAt,
});
