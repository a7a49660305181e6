import { writeSync } from 'node:fs';
import { silentLogger } from '../../../src/shared/logger.ts';
import { composePublisher } from '../../../src/cli/compose.ts';
import { loadConfig } from '../../../src/cli/config.ts';
import { anOrder, shopListeners } from '../../support/publishing-listeners.ts';

/** A line on standard output. */
export type TrafficReport =
  | {
      readonly kind: 'resolved' | 'rejected';
      readonly orderId: string;
      readonly code: string;
      /** Whether close() had been called by then. */ readonly closing: boolean;
    }
  | { readonly kind: 'closed'; readonly inFlight: number };

const report = (line: TrafficReport): void => void writeSync(1, `${JSON.stringify(line)}\n`);

/** Loops that publish one order after the other, and the number of orders after which close() is called among them. */
const LOOPS = 16;
const [configFile = '', closeAfter = ''] = process.argv.slice(2);

const config = await loadConfig(configFile);
const publisher = await composePublisher(config, silentLogger);
// The configuration's own instance: a publisher takes no other.
const placeOrder = config.transactionListeners![0] as ReturnType<typeof shopListeners>['placeOrder'];

let inFlight = 0;
let resolved = 0;
let closing: Promise<void> | undefined;

async function publishUntilRefused(loop: number): Promise<void> {
  for (let serial = 0; ; serial += 1) {
    const orderId = `order-${loop}-${serial}`;
    inFlight += 1;
    const code = await publisher.part.publish(placeOrder, anOrder(orderId)).then(
      () => '',
      (error: { code?: string }) => error.code ?? String(error),
    );
    inFlight -= 1;
    report({ kind: code === '' ? 'resolved' : 'rejected', orderId, code, closing: closing !== undefined });
    if (code !== '') return;
    if (++resolved === Number(closeAfter)) {
      const atClose = inFlight;
      closing = publisher.close().then(() => report({ kind: 'closed', inFlight: atClose }));
    }
  }
}

await Promise.all(Array.from({ length: LOOPS }, (_, loop) => publishUntilRefused(loop)));
await closing;
// Nothing more is done here: the process has to end by itself.
