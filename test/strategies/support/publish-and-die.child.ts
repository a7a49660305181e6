// Publishes orders one after the other; with the COMMIT of number `diesAt` it kills itself, before anything can follow. Argument: JSON of `Doomed`.
import { writeSync } from 'node:fs';
import { onTransactionEvent } from '../../../src/index.ts';
import { anOrder } from '../../support/publishing-listeners.ts';
import { type StrategyPlace, startStrategyPublisher } from './strategy-publisher.ts';

export interface Doomed extends StrategyPlace {
  readonly orderIds: readonly string[];
  readonly diesAt: number;
}

const { orderIds, diesAt, ...place } = JSON.parse(process.argv[2]!) as Doomed;
const { publisher, placeOrder } = await startStrategyPublisher(place);
let committed = 0;
onTransactionEvent('committed', () => {
  committed += 1;
  if (committed !== diesAt) return;
  writeSync(1, `${JSON.stringify({ caught: orderIds[committed - 1] })}\n`);
  process.kill(process.pid, 'SIGKILL');
});
for (const orderId of orderIds) await publisher.publish(placeOrder, anOrder(orderId));
