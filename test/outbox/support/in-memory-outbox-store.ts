import type { OutgoingMessage } from '../../../src/broker/message.ts';
import { canMove, type OutboxState } from '../../../src/outbox/outbox-state.ts';
import type { ClaimedMessage, ClaimRequest, OutboxBacklog, OutboxStore, ParkedMessage } from '../../../src/outbox/outbox-store.ts';
import type { Clock } from '../../../src/shared/clock.ts';

interface Row {
  readonly id: number;
  readonly message: OutgoingMessage;
  state: OutboxState;
  dueAt: number;
  attempts: number;
  fence: string | undefined;
  reason: string;
  readonly createdAt: number;
}

/** An outbox without a database. `fails` makes the next calls of a method reject. */
export class InMemoryOutboxStore implements OutboxStore {
  readonly rows: Row[] = [];
  readonly #clock: Clock;
  readonly fails: Partial<Record<keyof OutboxStore, number>> = {};
  /** Moments of all claims. */
  readonly claims: number[] = [];
  #fences = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  write(...messages: OutgoingMessage[]): void {
    for (const message of messages)
      this.rows.push({
        id: this.rows.length + 1,
        message,
        state: 'WAITING',
        dueAt: this.#clock.now(),
        attempts: 0,
        fence: undefined,
        reason: '',
        createdAt: this.#clock.now(),
      });
  }

  states(): OutboxState[] {
    return this.rows.map(({ state }) => state);
  }

  async claim({ limit, leaseMs, parkedLane }: ClaimRequest): Promise<readonly ClaimedMessage[]> {
    this.#fail('claim');
    const now = this.#clock.now();
    this.claims.push(now);
    const fence = `f${++this.#fences}`;
    const blocked = new Set<string>();
    const claimed: Row[] = [];
    for (const row of this.rows) {
      const lane = laneOf(row);
      const isDue = row.state === 'WAITING' && row.dueAt <= now && !(lane !== undefined && blocked.has(lane));
      if (isDue && claimed.length < limit) claimed.push(row);
      else if (lane !== undefined && (row.state === 'WAITING' || (row.state === 'PARKED' && parkedLane === 'hold'))) blocked.add(lane);
    }
    for (const row of claimed) Object.assign(row, { fence, dueAt: now + leaseMs, attempts: row.attempts + 1 });
    return claimed.map((row) => ({ id: row.id, lane: laneOf(row), fence, attempt: row.attempts, message: row.message }));
  }

  async markSent(messages: readonly ClaimedMessage[], keepMs: number): Promise<number> {
    return this.#change('markSent', messages, 'SENT', () => ({ dueAt: this.#clock.now() + keepMs }));
  }

  async retryLater(message: ClaimedMessage, afterMs: number, reason: string): Promise<boolean> {
    return this.#change('retryLater', [message], 'WAITING', () => ({ dueAt: this.#clock.now() + afterMs, fence: undefined, reason })) > 0;
  }

  async release(messages: readonly ClaimedMessage[]): Promise<number> {
    return this.#change('release', messages, 'WAITING', (row) => ({
      dueAt: this.#clock.now(),
      fence: undefined,
      attempts: row.attempts - 1,
    }));
  }

  async park(message: ClaimedMessage, reason: string): Promise<boolean> {
    return this.#change('park', [message], 'PARKED', () => ({ fence: undefined, reason })) > 0;
  }

  async deleteKept(limit: number): Promise<number> {
    this.#fail('deleteKept');
    const gone = this.rows.filter(({ state, dueAt }) => state === 'SENT' && dueAt <= this.#clock.now()).slice(0, limit);
    for (const row of gone) this.rows.splice(this.rows.indexOf(row), 1);
    return gone.length;
  }

  async backlog(): Promise<OutboxBacklog> {
    const waiting = this.rows.filter(({ state }) => state === 'WAITING');
    return {
      waiting: waiting.length,
      parked: this.rows.filter(({ state }) => state === 'PARKED').length,
      oldestWaitingMs: waiting[0] && this.#clock.now() - waiting[0].createdAt,
    };
  }

  async parked(limit: number): Promise<readonly ParkedMessage[]> {
    return this.rows
      .filter(({ state }) => state === 'PARKED')
      .slice(0, limit)
      .map(({ id, message, attempts, reason }) => ({
        id,
        transactionId: message.properties['checkback-tx'] ?? '',
        topic: message.topic,
        keys: message.keys,
        attempts,
        reason,
      }));
  }

  async requeue(id: number): Promise<boolean> {
    const row = this.rows.find((each) => each.id === id && each.state === 'PARKED');
    if (row !== undefined) Object.assign(row, { state: 'WAITING', dueAt: this.#clock.now() });
    return row !== undefined;
  }

  async discard(id: number): Promise<boolean> {
    const row = this.rows.find((each) => each.id === id && each.state === 'PARKED');
    if (row !== undefined) row.state = 'DISCARDED';
    return row !== undefined;
  }

  #change(method: keyof OutboxStore, messages: readonly ClaimedMessage[], to: OutboxState, sets: (row: Row) => Partial<Row>): number {
    this.#fail(method);
    let changed = 0;
    for (const { id, fence } of messages) {
      const row = this.rows.find((each) => each.id === id && each.fence === fence);
      if (row === undefined || !canMove(row.state, to)) continue;
      Object.assign(row, { state: to, ...sets(row) });
      changed += 1;
    }
    return changed;
  }

  #fail(method: keyof OutboxStore): void {
    const left = this.fails[method] ?? 0;
    if (left === 0) return;
    this.fails[method] = left - 1;
    throw new Error(`${method} fails`);
  }
}

const laneOf = ({ message: { topic, keys } }: Row): string | undefined => (keys[0] === undefined ? undefined : `${topic} ${keys[0]}`);
