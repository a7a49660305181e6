import { type MockBank, type SeenRequest, startMockBank } from '../../../src/cli/mock-bank/mock-bank.ts';
import { type TcpProxy, startTcpProxy } from '../../support/tcp-proxy.ts';
import { type BankFaults, bankStepOf } from './bank-faults.ts';
import { CHARGE, CHARGE_QUESTION } from './charge-listener.ts';
import type { WorkerEvidence } from './judge-workers.ts';
import type { LedgerLine } from './settlement.ts';

/** The bank that orders are charged at: fails as planned, remembers what it saw and did, and may be cut off. */
export class TortureBank {
  readonly #bank: MockBank;
  readonly #wire: TcpProxy;
  readonly #requests: WorkerEvidence['requests'][number][];
  #lastAt = Date.now();

  private constructor(bank: MockBank, wire: TcpProxy, requests: WorkerEvidence['requests'][number][]) {
    this.#bank = bank;
    this.#wire = wire;
    this.#requests = requests;
  }

  static async open(faults: BankFaults, seed: number): Promise<TortureBank> {
    const requests: WorkerEvidence['requests'][number][] = [];
    const counts = new Map<string, number>();
    const script = (seen: SeenRequest): ReturnType<typeof bankStepOf> => {
      const isPayment = seen.method === 'POST';
      const { idempotencyKey: key } = seen;
      opened.#lastAt = Date.now();
      requests.push({ call: isPayment ? CHARGE : CHARGE_QUESTION, key, at: Date.now() });
      const what = `${seen.method} ${isPayment ? key : seen.path}`;
      const nth = (counts.get(what) ?? 0) + 1;
      counts.set(what, nth);
      return bankStepOf(faults, seed, { isPayment, key: isPayment ? key : seen.path, nth });
    };
    const bank = await startMockBank({ script });
    const { hostname, port } = new URL(bank.origin);
    const opened = new TortureBank(bank, await startTcpProxy({ host: hostname, port: Number(port) }), requests);
    return opened;
  }

  get origin(): string {
    return `http://${this.#wire.host}:${this.#wire.port}`;
  }

  /** Milliseconds since somebody last asked for something. */
  get quietMs(): number {
    return Date.now() - this.#lastAt;
  }

  get requestCount(): number {
    return this.#requests.length;
  }

  /** What it has seen and done so far; later requests do not change it. */
  evidence(): Pick<WorkerEvidence, 'requests' | 'effects'> {
    return { requests: [...this.#requests], effects: new Map(this.#bank.effects) };
  }

  /** What it took, for its statement: one line a payment. */
  ledger(): LedgerLine[] {
    const amounts = new Map<string, number>();
    for (const { method, idempotencyKey, body } of this.#bank.requests) {
      if (method !== 'POST' || amounts.has(idempotencyKey)) continue;
      const amount = amountIn(body);
      if (amount !== undefined) amounts.set(idempotencyKey, amount);
    }
    return [...this.#bank.effects].flatMap(([reference, times]) =>
      Array.from({ length: times }, () => ({ reference, amountMinor: amounts.get(reference) ?? -1, status: 'SUCCESS' as const })),
    );
  }

  /** Every open connection ends at once, requests in progress or not. */
  resetConnections(): void {
    this.#wire.cut();
  }

  /** Refuses connections, or takes them again. */
  async setDown(isDown: boolean): Promise<void> {
    await (isDown ? this.#wire.refuse() : this.#wire.pass());
  }

  async close(): Promise<void> {
    await this.#wire[Symbol.asyncDispose]();
    await this.#bank.close();
  }
}

/** `undefined` for a body that was cut off. */
function amountIn(body: string): number | undefined {
  try {
    return (JSON.parse(body) as { amountMinor?: number }).amountMinor;
  } catch {
    return undefined;
  }
}
