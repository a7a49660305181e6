import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type TransactionDiagnostics, onTransactionEvent } from '../../transaction/diagnostics.ts';
import { cliLogger } from '../cli-logger.ts';
import { composePublisher } from '../compose.ts';
import { loadConfig } from '../config.ts';

/** A line on standard input: an input for the configuration's first transaction listener. */
export interface PublishOrder {
  readonly correlationId: string;
  readonly input: unknown;
}

/** A line on standard output: what happened, when it happens. */
export type ProducerReport =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'event';
      readonly name: keyof TransactionDiagnostics;
      readonly correlationId: string;
      readonly resolution?: string;
      readonly round?: number;
    }
  | { readonly kind: 'resolved' | 'rejected'; readonly correlationId: string; readonly message: string };

const { values } = parseArgs({ options: { config: { type: 'string' }, 'die-after-commit': { type: 'boolean', default: false } } });

// Written at once and by this thread: what was said stays said when the process is killed a moment later.
const report = (line: ProducerReport): void => void writeSync(1, `${JSON.stringify(line)}\n`);

for (const name of ['half-sent', 'committed', 'rolled-back', 'ended', 'checked'] as const) {
  onTransactionEvent(name, (event) => {
    const { correlationId, resolution, round } = event as TransactionDiagnostics['checked'];
    report({
      kind: 'event',
      name,
      correlationId,
      ...(resolution === undefined ? {} : { resolution }),
      ...(round === undefined ? {} : { round }),
    });
    // Between the database's COMMIT and END: the moment an outbox is usually needed for.
    if (name === 'committed' && values['die-after-commit']) process.kill(process.pid, 'SIGKILL');
  });
}

const config = await loadConfig(values.config);
const publisher = await composePublisher(config, cliLogger({ level: 'warn', name: `${config.owner}-producer` }));
const [listener] = config.transactionListeners ?? [];
report({ kind: 'ready' });

for await (const line of createInterface({ input: process.stdin })) {
  const { correlationId, input } = JSON.parse(line) as PublishOrder;
  try {
    await publisher.part.publish(listener!, input, { correlationId });
    report({ kind: 'resolved', correlationId, message: 'committed' });
  } catch (error) {
    report({ kind: 'rejected', correlationId, message: (error as Error).message });
  }
}
await publisher.close();
