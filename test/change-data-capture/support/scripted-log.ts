import type { ChangeLog, OpenLog } from '../../../src/change-data-capture/change-log.ts';
import type { ClaimedPosition, PositionStore, Turn } from '../../../src/change-data-capture/position-store.ts';
import type { CommittedTransaction, StoredPosition } from '../../../src/change-data-capture/row-change.ts';
import { pointAt } from './logged.ts';

/** A binlog that is written by a test, batch by batch. */
export class ScriptedLog implements ChangeLog {
  readonly opened: number[] = [];
  closed = 0;
  #give: (batch: readonly CommittedTransaction[]) => void = () => {};
  #fail: (error: unknown) => void = () => {};

  async check(): Promise<void> {}

  async first(): Promise<StoredPosition> {
    return { ...pointAt(0), server: 'one' };
  }

  resume: ChangeLog['resume'] = async (position) => ({ by: 'file', point: position, server: 'one' });

  give(...batch: CommittedTransaction[]): void {
    this.#give(batch);
  }

  fail(error: unknown): void {
    this.#fail(error);
  }

  async open(from: { readonly point: { readonly position: number } }, signal: AbortSignal): Promise<OpenLog> {
    this.opened.push(from.point.position);
    const waiting: (readonly CommittedTransaction[])[] = [];
    let failure: { error: unknown } | undefined;
    let wake = (): void => {};
    this.#give = (batch) => {
      waiting.push(batch);
      wake();
    };
    this.#fail = (error) => {
      failure = { error };
      wake();
    };
    signal.addEventListener('abort', () => wake(), { once: true });
    return {
      connectionId: 1,
      batches: async function* batches() {
        while (!signal.aborted) {
          const batch = waiting.shift();
          if (batch !== undefined) yield batch;
          else if (failure !== undefined) throw failure.error;
          else
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        }
      },
      close: async () => {
        this.closed += 1;
      },
    };
  }
}

/** A position in memory, and everything that was written down. */
export class ScriptedPositions implements PositionStore {
  position: StoredPosition = { ...pointAt(0), server: 'one' };
  fence = 0;
  readonly saved: number[] = [];
  failures = 0;

  async ensure(): Promise<void> {}

  async load(): Promise<StoredPosition> {
    return this.position;
  }

  async claim(): Promise<ClaimedPosition> {
    this.fence += 1;
    return { position: this.position, fence: this.fence };
  }

  async save(_: string, fence: number, position: StoredPosition): Promise<boolean> {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('the database is away');
    }
    if (fence !== this.fence) return false;
    this.position = position;
    this.saved.push(position.position);
    return true;
  }
}

/** A turn that somebody else may have. */
export class ScriptedTurn implements Turn {
  isFree = true;
  held = 0;

  async take(): Promise<boolean> {
    if (this.isFree) this.held += 1;
    return this.isFree;
  }

  async release(): Promise<void> {
    this.held = 0;
  }
}
