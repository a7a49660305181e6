/* oxlint-disable unicorn/require-post-message-target-origin -- a thread, not a window */
// A mock bank on a thread of its own, for tests that block the main one: says its origin, then each request it saw.
import { parentPort, workerData } from 'node:worker_threads';
import { type MockBankStep, startMockBank } from '../../../src/cli/mock-bank/mock-bank.ts';

const bank = await startMockBank({
  script: ({ idempotencyKey }) => {
    parentPort?.postMessage(idempotencyKey);
    return workerData as MockBankStep;
  },
});
parentPort?.postMessage(bank.origin);
