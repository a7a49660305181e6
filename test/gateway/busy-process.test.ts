import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createGateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { payment, payOrder } from './support/payment-call.ts';

it('takes the answer that came while its own process was busy for longer than the time-out', async () => {
  const bank = new Worker(new URL('./support/bank-thread.ts', import.meta.url), { workerData: { kind: 'slow', delayMs: 100 } });
  const [origin] = (await once(bank, 'message')) as [string];
  const gateway = createGateway({ origins: { bank: origin }, store: new InMemoryExternalCallStore() });
  try {
    const calling = gateway.call(payOrder({ timeouts: { readMs: 500, totalMs: 600 } }), payment, {
      idempotencyKey: 'key-1',
      correlationId: 'c',
    });
    await once(bank, 'message');
    // Nothing runs on this thread meanwhile; the answer arrives in the kernel.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    expect(await calling).toMatchObject({ status: 'SUCCESS' });
  } finally {
    await gateway.close();
    await bank.terminate();
  }
});
