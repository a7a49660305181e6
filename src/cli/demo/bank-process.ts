import { writeSync } from 'node:fs';
import { startMockBank } from '../mock-bank/mock-bank.ts';

/** A line on standard output: where the bank listens, and each request as it arrives. */
export type BankReport =
  | { readonly kind: 'ready'; readonly origin: string }
  | { readonly kind: 'request'; readonly key: string; readonly answered: boolean }
  /** A status check, which is always answered truthfully. */
  | { readonly kind: 'question'; readonly path: string };

const report = (line: BankReport): void => void writeSync(1, `${JSON.stringify(line)}\n`);

/** Idempotency keys this bank accepts and never answers. */
const silentFor = new Set(process.argv.slice(2));

const bank = await startMockBank({
  script: (request) => {
    if (request.method !== 'POST') {
      report({ kind: 'question', path: request.path });
      return undefined;
    }
    const answered = !silentFor.has(request.idempotencyKey);
    report({ kind: 'request', key: request.idempotencyKey, answered });
    return { kind: answered ? 'ok' : 'never-answer' };
  },
});
report({ kind: 'ready', origin: bank.origin });

// Its input is the demo's pipe: it goes when the demo goes.
process.stdin.resume().once('end', () => void bank.close());
