import { hash } from 'node:crypto';
import type { DeadLetter, Death } from '../../../src/dead-letter/dead-letter.ts';
import { canTransition } from '../../../src/dead-letter/dead-letter-state.ts';
import type { DeadLetterAction, DeadLetterStore, DecideResult, Decision, ReplayClaim } from '../../../src/dead-letter/dead-letter-store.ts';

interface Kept {
  readonly letter: { -readonly [Field in keyof DeadLetter]: DeadLetter[Field] };
  readonly body: Uint8Array;
  readonly history: DeadLetterAction[];
  fence: string | undefined;
}

/** The store's contract on a Map, so that tests of replays need no database. Filters are the database's business. */
export class InMemoryDeadLetterStore implements DeadLetterStore {
  readonly kept = new Map<number, Kept>();
  /** Set to make every `keep` fail. */
  refusal: Error | undefined;

  only(): Kept {
    const [first, ...others] = this.kept.values();
    if (first === undefined || others.length > 0) throw new Error(`${this.kept.size} dead letters are kept, not one`);
    return first;
  }

  async keep(death: Death, by: string): Promise<{ id: number; isNew: boolean }> {
    if (this.refusal) throw this.refusal;
    const { body, isReplay, ...known } = death;
    const same = ({ letter }: Kept): boolean =>
      letter.identity === death.identity && letter.topic === death.topic && letter.group === death.group;
    const before = [...this.kept.values()].find(same);
    if (before !== undefined) {
      before.letter.deaths += 1;
      if (isReplay && canTransition(before.letter.standing.state, 'OPEN')) Object.assign(before.letter, { standing: { state: 'OPEN' } });
      this.#record(before, 'DIED_AGAIN', { by });
      return { id: before.letter.id, isNew: false };
    }
    const id = this.kept.size + 1;
    const letter: DeadLetter = {
      ...known,
      id,
      bodyBytes: body.byteLength,
      bodySha256: hash('sha256', body, 'hex'),
      deaths: 1,
      firstFailedAt: new Date(0),
      lastFailedAt: new Date(0),
      replays: 0,
      standing: { state: 'OPEN' },
    };
    const kept: Kept = { letter, body, history: [], fence: undefined };
    this.kept.set(id, kept);
    this.#record(kept, 'KEPT', { by });
    return { id, isNew: true };
  }

  async find(id: number): Promise<DeadLetter | undefined> {
    return this.kept.get(id)?.letter;
  }

  async body(id: number): Promise<Uint8Array | undefined> {
    return this.kept.get(id)?.body;
  }

  async list(): Promise<DeadLetter[]> {
    return [...this.kept.values()].map(({ letter }) => letter);
  }

  async history(id: number): Promise<DeadLetterAction[]> {
    return this.kept.get(id)?.history ?? [];
  }

  async claimReplay(id: number, decision: Decision, leaseMs: number): Promise<ReplayClaim> {
    const kept = this.kept.get(id);
    if (kept === undefined) return { kind: 'missing' };
    const { standing } = kept.letter;
    if (!canTransition(standing.state, 'REPLAYING')) return { kind: 'refused', state: standing.state };
    if (standing.state === 'REPLAYING' && standing.leaseMs > 0) return { kind: 'in-flight', leaseMs: standing.leaseMs };
    const fence = `fence-${kept.history.length}`;
    kept.fence = fence;
    kept.letter.standing = { state: 'REPLAYING', leaseMs };
    this.#record(kept, 'REPLAY_CLAIMED', decision);
    return { kind: 'claimed', fence, letter: kept.letter, body: kept.body };
  }

  async endReplay(id: number, fence: string, to: 'REPLAYED' | 'OPEN', decision: Decision): Promise<boolean> {
    const kept = this.kept.get(id);
    if (kept?.letter.standing.state !== 'REPLAYING' || kept.fence !== fence) return false;
    if (to === 'REPLAYED') kept.letter.replays += 1;
    kept.letter.standing = to === 'OPEN' ? { state: to } : decided(to, decision);
    this.#record(kept, to === 'REPLAYED' ? 'REPLAYED' : 'REPLAY_FAILED', decision);
    return true;
  }

  async decide(id: number, to: 'DISCARDED' | 'RESOLVED', decision: Decision): Promise<DecideResult> {
    const kept = this.kept.get(id);
    if (kept === undefined) return { kind: 'missing' };
    const { state } = kept.letter.standing;
    if (!canTransition(state, to)) return { kind: 'refused', state };
    kept.letter.standing = decided(to, decision);
    this.#record(kept, to, decision);
    return { kind: 'decided', letter: kept.letter };
  }

  #record({ history }: Kept, action: DeadLetterAction['action'], { by, reason }: Decision): void {
    history.push({ action, by, at: new Date(0), why: reason });
  }
}

const decided = (state: 'REPLAYED' | 'DISCARDED' | 'RESOLVED', { by, reason }: Decision) => ({
  state,
  decidedBy: by,
  decidedAt: new Date(0),
  decisionReason: reason,
});
