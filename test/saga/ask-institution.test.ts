import { describe, expect, it } from 'vitest';
import { startMockBank } from '../../src/cli/mock-bank/mock-bank.ts';
import { defineExternalCall } from '../../src/gateway/external-call.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { askThrough } from '../../src/saga/ask-institution.ts';
import { InMemoryExternalCallStore } from '../support/in-memory-external-call-store.ts';

const charge = defineExternalCall<string, { paymentId: string }>({
  name: 'charge',
  origin: 'bank',
  method: 'POST',
  path: '/payments',
  timeouts: { connectMs: 5_000, writeMs: 5_000, readMs: 5_000, totalMs: 10_000 },
  statusCheck: {
    path: (_input, key) => `/payments/${encodeURIComponent(key)}`,
    interpret: ({ httpStatus, response }) => {
      if (httpStatus === 404) return { status: 'ABSENT' };
      if (httpStatus !== 200) return undefined;
      const { status, paymentId } = response as { status: string; paymentId: string };
      return status === 'ACCEPTED' ? { status: 'SUCCESS', response: { paymentId } } : { status: 'FAIL' };
    },
  },
});

async function asking(
  work: (deps: {
    bank: Awaited<ReturnType<typeof startMockBank>>;
    store: InMemoryExternalCallStore;
    ask: (nth: number) => Promise<unknown>;
    pay: () => Promise<unknown>;
  }) => Promise<void>,
): Promise<void> {
  const bank = await startMockBank();
  const store = new InMemoryExternalCallStore();
  const gateway = createGateway({ origins: { bank: bank.origin }, store });
  const question = { idempotencyKey: 's:charge', correlationId: 'c', signal: new AbortController().signal };
  try {
    await work({
      bank,
      store,
      ask: (nth) => askThrough(gateway)(charge, '', { ...question, nth }),
      pay: () => gateway.call(charge, '', question),
    });
  } finally {
    await gateway.close();
    await bank.close();
  }
}

describe('askThrough', () => {
  it('says what the institution says, asking it anew each time', () =>
    asking(async ({ ask, pay }) => {
      expect(await ask(1)).toEqual({ status: 'ABSENT' });
      await pay();
      expect(await ask(2)).toEqual({ status: 'SUCCESS', response: { paymentId: 'pay-s:charge' } });
    }));

  it('says FAIL when it was refused', () =>
    asking(async ({ bank, ask, pay }) => {
      bank.follow([{ kind: 'reject' }]);
      await pay();
      expect(await ask(1)).toEqual({ status: 'FAIL' });
    }));

  it('says nothing when the institution does not answer, or not in words it understands', () =>
    asking(async ({ bank, ask }) => {
      bank.follow(() => ({ kind: 'reset', when: 'before-body' }));
      expect(await ask(1)).toBeUndefined();
      bank.follow(() => ({ kind: 'answer', status: 503 }));
      expect(await ask(2)).toBeUndefined();
      bank.follow(() => ({ kind: 'answer', status: 200, headers: { 'content-type': 'application/json' }, body: 'null' }));
      expect(await ask(3)).toBeUndefined();
    }));

  it('leaves evidence of each question under a key of its own', () =>
    asking(async ({ store, ask }) => {
      await ask(1);
      await ask(2);
      expect([...store.calls.keys()]).toEqual(['charge.status s:charge:asked:1', 'charge.status s:charge:asked:2']);
    }));
});
