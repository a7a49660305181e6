import { AuditUnavailableError } from '../errors.ts';
import type { Clock } from '../shared/clock.ts';
import { withDeadline } from '../shared/deadline.ts';
import type { CallStatus } from './call-status.ts';
import type {
  Apply,
  CloseResult,
  ExternalCallStore,
  InTransaction,
  OpenedAttempt,
  OpenResult,
  RequestRecord,
  ResponseSnapshot,
} from './external-call-store.ts';
import type { GatewayLimits } from './gateway-options.ts';

/** The store, with time limits: opening fails closed, closing is tried again. */
export class Audit {
  readonly #store: ExternalCallStore;
  readonly #limits: GatewayLimits;
  readonly #clock: Clock;

  constructor(store: ExternalCallStore, limits: GatewayLimits, clock: Clock) {
    this.#store = store;
    this.#limits = limits;
    this.#clock = clock;
  }

  /** How long an attempt is fenced: the call itself, and the time its end may take to be recorded. */
  leaseMs(totalMs: number): number {
    return totalMs + this.#limits.closeTimeoutMs;
  }

  /** Opens an attempt. Rejects with `AuditUnavailableError` when the store fails or is slow: then no call may be made. */
  async open(request: RequestRecord, totalMs: number): Promise<OpenResult> {
    const { storeTimeoutMs, closeTimeoutMs } = this.#limits;
    const startedAt = this.#clock.now();
    const opening = this.#store.open(request, this.leaseMs(totalMs));
    let isLate = false;
    const late = (): Error => {
      isLate = true;
      return new Error(`no answer within ${storeTimeoutMs} ms`);
    };
    try {
      const opened = await withDeadline(opening, storeTimeoutMs, late);
      // A process that was stopped meanwhile wakes up to an answer, and to a lease that may be over.
      if (opened.kind === 'opened' && this.#clock.now() - startedAt > Math.max(storeTimeoutMs, closeTimeoutMs)) throw late();
      return opened;
    } catch (cause) {
      if (isLate) this.#closeUnsent(opening);
      throw new AuditUnavailableError(`call "${request.callName}": the request record could not be written, so nothing was sent`, {
        cause,
      });
    }
  }

  /**
   * Closes an attempt, trying again with backoff for `closeTimeoutMs`. Rejects with the last error; the row then stays
   * PENDING until its lease ends and is found UNKNOWN.
   */
  async close(
    opened: OpenedAttempt,
    snapshot: ResponseSnapshot,
    to: CallStatus,
    options: { notBeforeMs?: number | undefined; apply?: Apply | undefined; inTransaction?: InTransaction | undefined },
  ): Promise<CloseResult> {
    const { storeTimeoutMs, closeTimeoutMs } = this.#limits;
    const until = this.#clock.now() + closeTimeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await withDeadline(
          this.#store.close(opened, snapshot, to, options),
          storeTimeoutMs,
          () => new Error(`no answer within ${storeTimeoutMs} ms`),
        );
      } catch (error) {
        const pauseMs = Math.min(100 * 2 ** attempt, 5_000);
        if (this.#clock.now() + pauseMs >= until) throw error;
        await this.#clock.sleep(pauseMs);
      }
    }
  }

  /** A request record that was committed after we gave up on it: says that nothing was sent, so that it need not become UNKNOWN. */
  #closeUnsent(opening: Promise<OpenResult>): void {
    opening
      .then(async (late) => {
        if (late.kind === 'opened') await this.#store.close(late, unsent(this.#clock.now()), 'PENDING', {});
      })
      // Then the lease ends and the row becomes UNKNOWN: more careful than need be, never wrong.
      .catch(() => {});
  }
}

const unsent = (now: number): ResponseSnapshot => ({
  httpStatus: undefined,
  headers: undefined,
  body: undefined,
  isTruncated: false,
  failedPhase: 'connect',
  times: { connectMs: 0, writeMs: undefined, headersMs: undefined, bodyMs: undefined, totalMs: 0 },
  remoteAddress: undefined,
  errorCode: 'CB_AUDIT_UNAVAILABLE',
  errorChain: undefined,
  closedAt: new Date(now),
});
