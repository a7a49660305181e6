import { expect } from 'vitest';
import { type TestProcess, startProcess } from '../../support/publishing-processes.ts';
import type { ParkingCommand, ParkingProducer, ParkingReport } from './parking-producer.child.ts';

const PATIENCE = { timeout: 30_000, interval: 20 };

/** A producer process that stops its orders where it is told to. Disposing kills it. */
export interface ParkedOrders extends AsyncDisposable {
  readonly process: TestProcess<ParkingReport>;
  /** What it has said of one kind about one order, or about all. */
  said<Kind extends ParkingReport['kind']>(kind: Kind, orderId?: string): Extract<ParkingReport, { kind: Kind }>[];
  /** Resolves once it has said that; rejects with its complaints when it ended instead. */
  hears(kind: ParkingReport['kind'], orderId?: string): Promise<void>;
  send(command: ParkingCommand): void;
}

export async function startParkingProducer(request: ParkingProducer): Promise<ParkedOrders> {
  const process = startProcess<ParkingReport>('test/faults/support/parking-producer.child.ts', [JSON.stringify(request)], { driven: true });
  let end: string | undefined;
  void process.ended.then(({ how, stderr }) => (end = `${how}: ${stderr}`));
  const said: ParkedOrders['said'] = (kind, orderId) =>
    process.reports.filter(
      (report): report is Extract<ParkingReport, { kind: typeof kind }> =>
        report.kind === kind && (orderId === undefined || ('orderId' in report && report.orderId === orderId)),
    );
  const hears: ParkedOrders['hears'] = async (kind, orderId) => {
    await expect.poll(() => said(kind, orderId).length > 0 || end, { ...PATIENCE, message: `${kind} ${orderId ?? ''}` }).toBeTruthy();
    if (said(kind, orderId).length === 0) throw new Error(`the producer ended before it said ${kind} ${orderId ?? ''}: ${end}`);
  };
  const parked: ParkedOrders = {
    process,
    said,
    hears,
    send: (command) => process.send(command),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
  await hears('ready').catch(async (error: unknown) => {
    await parked[Symbol.asyncDispose]();
    throw error;
  });
  return parked;
}
