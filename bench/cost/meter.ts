import type { FullStack } from '../full-stack.ts';
import type { LoadProcess } from '../load/load-process.ts';
import { type DatabaseCounters, readDatabaseCounters } from './database-counters.ts';
import { processCpuUs } from './process-cpu.ts';

/** What a piece of work cost, an order. CPU seconds per 1,000 orders are the same figure as milliseconds per order. */
export type Cost = Partial<Record<'appCpuS' | 'brokerCpuS' | 'databaseCpuS', number>> & Record<keyof DatabaseCounters, number>;

/** Units of a cost, in the order they are shown. */
export const COST_UNITS: Record<keyof Required<Cost>, string> = {
  appCpuS: 'CPU s/1,000 orders',
  brokerCpuS: 'CPU s/1,000 orders',
  databaseCpuS: 'CPU s/1,000 orders',
  redoBytes: 'bytes/order',
  binlogBytes: 'bytes/order',
  fsyncs: '/order',
  rowsWritten: '/order',
  statements: '/order',
};

/** Reads every counter now; the function it gives reads them again and divides by the orders between. */
export async function startMeter(stack: FullStack, app: Pick<LoadProcess<unknown>, 'cpuUs'>): Promise<(orders: number) => Promise<Cost>> {
  const look = async () => ({
    cpu: { appCpuS: app.cpuUs(), brokerCpuS: processCpuUs(stack.pids.broker), databaseCpuS: processCpuUs(stack.pids.database) },
    counters: await readDatabaseCounters(stack.connection),
  });
  const before = await look();
  return async (orders) => {
    const after = await look();
    const cost: Record<string, number> = {};
    for (const name of ['appCpuS', 'brokerCpuS', 'databaseCpuS'] as const) {
      const [from, to] = [before.cpu[name], after.cpu[name]];
      if (from !== undefined && to !== undefined) cost[name] = (to - from) / orders / 1_000;
    }
    for (const [name, value] of Object.entries(after.counters))
      cost[name] = (value - before.counters[name as keyof DatabaseCounters]) / orders;
    return cost as Cost;
  };
}
