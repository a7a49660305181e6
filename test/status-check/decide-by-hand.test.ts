import { describe, expect, it } from 'vitest';
import { CallRejectedError } from '../../src/errors.ts';
import { decideByHand } from '../../src/status-check/decide-by-hand.ts';
import { eventsOf, harness } from './support/checker-harness.ts';

describe('decideByHand', () => {
  const decision = { callName: 'charge', idempotencyKey: 'o-1', to: 'SUCCESS', by: 'ana', reason: 'seen on the statement' } as const;
  const unknown = async () => {
    const h = harness();
    const row = h.row('o-1');
    await h.keep('o-1');
    const listener = h.listener();
    return { ...h, row, context: { store: h.store, calls: h.calls, worker: h.worker, listeners: new Map([[listener.name, listener]]) } };
  };

  it('settles the call with its effect and records who and why', async () => {
    const { context, onSuccess, row, store } = await unknown();
    const { events, stop } = eventsOf('resolved');
    expect(await decideByHand({ ...decision, response: { paymentId: 'p-9' } }, context)).toBe('resolved');
    stop();
    expect(row.status).toBe('SUCCESS');
    expect(onSuccess).toHaveBeenCalledExactlyOnceWith(undefined, expect.objectContaining({ response: { paymentId: 'p-9' } }));
    expect(store.only()).toMatchObject({ state: 'DONE', lastMove: { person: { by: 'ana', reason: 'seen on the statement' } } });
    expect(events).toMatchObject([{ through: 'person', outcome: 'SUCCESS', correlationId: 'c-o-1' }]);
  });

  it('compensates on FAIL', async () => {
    const { context, onFail, row } = await unknown();
    expect(await decideByHand({ ...decision, to: 'FAIL' }, context)).toBe('resolved');
    expect(row.status).toBe('FAIL');
    expect(onFail).toHaveBeenCalledExactlyOnceWith(undefined, expect.objectContaining({ error: expect.any(CallRejectedError) }));
  });

  it('decides once', async () => {
    const { context, onFail, onSuccess } = await unknown();
    await decideByHand(decision, context);
    expect(await decideByHand({ ...decision, to: 'FAIL' }, context)).toBe('not-unknown');
    expect(onSuccess).toHaveBeenCalledOnce();
    expect(onFail).not.toHaveBeenCalled();
  });

  it('says what is in the way', async () => {
    const { context, row } = await unknown();
    expect(await decideByHand({ ...decision, idempotencyKey: 'o-2' }, context)).toBe('not-on-record');
    expect(await decideByHand(decision, { ...context, listeners: new Map() })).toBe('unknown-listener');
    row.status = 'PENDING';
    expect(await decideByHand(decision, context)).toBe('not-unknown');
  });

  it('changes nothing when the listener throws', async () => {
    const { context, onSuccess, row, store } = await unknown();
    onSuccess.mockRejectedValueOnce(new Error('no'));
    await expect(decideByHand(decision, context)).rejects.toThrow('no');
    expect(row.status).toBe('UNKNOWN');
    expect(store.only().state).toBe('DUE');
  });

  it.each([
    ['by', { by: ' ' }],
    ['reason', { reason: '' }],
    ['reason', { reason: 'x'.repeat(501) }],
  ])('refuses a decision without a usable %s', async (name, changes) => {
    const { context } = await unknown();
    await expect(decideByHand({ ...decision, ...changes }, context)).rejects.toThrow(new RegExp(`^${name} must be 1 to 500`));
  });
});
