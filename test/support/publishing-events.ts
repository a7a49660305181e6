import { type TransactionDiagnostics, onTransactionEvent } from '../../src/index.ts';

/** Everything of one kind that the publishers of this process tell from now on, until disposed. */
export function collectEvents<Name extends keyof TransactionDiagnostics>(name: Name): TransactionDiagnostics[Name][] & Disposable {
  const events: TransactionDiagnostics[Name][] = [];
  const stop = onTransactionEvent(name, (event) => events.push(event));
  return Object.assign(events, { [Symbol.dispose]: stop });
}
