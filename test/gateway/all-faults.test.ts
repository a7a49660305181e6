import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';
import { FAULTS, randomFrom } from './support/faults.ts';
import { payment, payOrder } from './support/payment-call.ts';

const CALLS = 10_000;
const CONCURRENCY = 100;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const heapAfterGc = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed;
};

it(`ends ${CALLS} calls among all faults with no doubled effect, no unaudited request and no socket left`, async () => {
  const random = randomFrom(20_260_101);
  const bank = await startMockBank({
    script: (request) => (request.method === 'POST' && random() < 0.5 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined),
  });
  const store = new InMemoryExternalCallStore();
  const gateway = createGateway({ origins: { bank: { url: bank.origin, maxConnections: 64, circuit: false, maxWaitMs: 60_000 } }, store });
  const call = payOrder({ timeouts: { connectMs: 5_000, writeMs: 200, readMs: 100, totalMs: 6_000 }, maxResponseBytes: 64 * 1024 });
  const applied = new Map<string, number>();

  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < CALLS) {
      // Neighbours share a key, so that some call it at the same moment and some after one another.
      const idempotencyKey = `key-${Math.floor(next++ / 2)}`;
      await gateway.call(call, payment, {
        idempotencyKey,
        correlationId: 'c',
        apply: async () => void applied.set(idempotencyKey, (applied.get(idempotencyKey) ?? 0) + 1),
      });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, caller));

  const seen = Map.groupBy(bank.requests, ({ idempotencyKey }) => idempotencyKey);
  const wrong = [...store.calls].filter(([name, { status, attempts, requests, responses }]) => {
    const key = name.slice('pay-order '.length);
    const effects = bank.effects.get(key) ?? 0;
    const isAudited = requests.length === attempts && responses.size === attempts && (seen.get(key)?.length ?? 0) <= attempts;
    const isTrue = status === 'SUCCESS' ? effects === 1 : status === 'UNKNOWN' ? effects <= 1 : effects === 0;
    return !isAudited || !isTrue || (applied.get(key) ?? 0) !== (status === 'SUCCESS' || status === 'FAIL' ? 1 : 0);
  });
  expect(wrong).toEqual([]);
  expect(store.calls.size).toBe(CALLS / 2);
  expect([...seen.keys()].every((key) => store.calls.has(`pay-order ${key}`))).toBe(true);
  // All four ends did occur, or this has shown nothing.
  expect(new Set([...store.calls.values()].map(({ status }) => status))).toEqual(new Set(['SUCCESS', 'FAIL', 'UNKNOWN', 'PENDING']));

  await gateway.close();
  await expect.poll(() => bank.connections, { timeout: 5_000 }).toBe(0);
  await bank.close();
}, 120_000);

it('gives back the memory of the calls it made', async () => {
  const bank = await startMockBank({ script: (_, nth) => FAULTS[nth % 5] });
  const store = new InMemoryExternalCallStore();
  const gateway = createGateway({ origins: { bank: bank.origin }, circuit: false, store });
  let key = 0;
  const heapAfter = async (calls: number): Promise<number> => {
    for (let at = 0; at < calls; at += 50) {
      await Promise.all(
        Array.from({ length: 50 }, () => gateway.call(payOrder(), payment, { idempotencyKey: `key-${key++}`, correlationId: 'c' })),
      );
    }
    // What the two stand-ins remember is not the gateway's.
    store.calls.clear();
    (bank.requests as unknown[]).length = 0;
    bank.effects.clear();
    return heapAfterGc();
  };
  const before = await heapAfter(2_000);
  const grown = (await heapAfter(3_000)) - before;
  await gateway.close();
  await bank.close();
  // A leak of one exchange a call would be at least 3,000 times some kilobytes.
  expect(grown).toBeLessThan(3_000 * 1_000);
}, 120_000);
