import { onTransactionEvent } from '../../src/transaction/diagnostics.ts';

/** Counts this process's transactions whose END is still under way, and the broker's questions. */
export function watchEnds(): { settle(): Promise<void>; checks(): number } {
  let open = 0;
  let checks = 0;
  let settled = (): void => {};
  const ended = (): void => {
    open -= 1;
    if (open === 0) settled();
  };
  onTransactionEvent('half-sent', () => (open += 1));
  onTransactionEvent('ended', ended);
  onTransactionEvent('end-failed', ended);
  onTransactionEvent('checked', () => (checks += 1));
  return {
    settle: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => (settled = resolve))),
    checks: () => checks,
  };
}
