import { pino } from 'pino';
import { composeOps } from '../../../src/cli/compose-ops.ts';
import { inLanes } from '../../../src/reconciliation/in-lanes.ts';
import type { Violation } from '../judge.ts';
import type { OrderOnRecord } from './call-records.ts';
import { CHARGE } from './charge-listener.ts';
import { orderSource } from './order-source.ts';
import { workerConfig } from './worker-config.ts';
import type { WorkerSettings } from './worker-reports.ts';

/** Pages asked for at once. */
const READERS = 4;

/**
 * Asks the page for people on call, over HTTP, for the story of each of these orders, and holds what it shows against the
 * tables: the row with its transaction, each attempt with its end, and what became of the call.
 */
export async function walkStories(
  settings: Pick<WorkerSettings, 'endpoints' | 'mysqlUrl' | 'bank' | 'isSteady'>,
  orders: readonly OrderOnRecord[],
  signal: AbortSignal,
): Promise<{ readonly stories: number; readonly violations: readonly Violation[] }> {
  const config = { ...workerConfig(settings), reconciliation: { sources: [orderSource(settings)] } };
  const ops = await composeOps(config, pino({ level: 'silent' }), { port: 0 });
  const holes: string[] = [];
  try {
    await inLanes(orders, READERS, async (order) => {
      const response = await fetch(`${ops.part.url}/story?id=${encodeURIComponent(order.correlationId)}`, { signal });
      const page = await response.text();
      const hole = response.ok ? holeIn(page, order) : `an answer: HTTP ${response.status}`;
      if (hole !== undefined) holes.push(`that of ${order.correlationId} is without ${hole}`);
    });
  } finally {
    await ops.close();
  }
  const invariant = 'the whole story of an order is on record and shown';
  return { stories: orders.length, violations: holes.length === 0 ? [] : [{ invariant, count: holes.length, example: holes[0]! }] };
}

/** What the tables have and the page does not show. */
export function holeIn(page: string, { orderId, transactionId, status, attempts }: OrderOnRecord): string | undefined {
  const parts = [`row <code>${orderId}</code> of torture-orders`, `by transaction <code>${transactionId}</code>`];
  if (status !== undefined) parts.push(`delivered: call ${CHARGE} <code>${orderId}</code> begun`);
  if (status === 'SUCCESS' || status === 'FAIL') parts.push(`call ${CHARGE} <code>${orderId}</code> is <span`);
  const absent = parts.find((part) => !page.includes(part));
  if (absent !== undefined) return absent;
  // An attempt that has ended is on the line twice.
  const untold = attempts.find(
    ({ callId, attempt, isAnswered }) => page.split(`"/attempt?call=${callId}&amp;n=${attempt}"`).length - 1 < (isAnswered ? 2 : 1),
  );
  return untold && `attempt ${untold.attempt} of call ${untold.callId}${untold.isAnswered ? ', or its end' : ''}`;
}
