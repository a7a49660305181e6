import { describe, expect, it } from 'vitest';
import type { OutgoingMessage, ReceivedMessage } from '../../src/broker/message.ts';
import type { InquireCall } from '../../src/dead-letter/call-inquiry.ts';
import { deadLetterSink } from '../../src/dead-letter/dead-letter-sink.ts';
import { discardDeadLetter, resolveDeadLetter } from '../../src/dead-letter/decide.ts';
import { onDeadLetterEvent } from '../../src/dead-letter/diagnostics.ts';
import { messageIdentity, REPLAY_PROPERTY } from '../../src/dead-letter/message-identity.ts';
import { replayDeadLetter, type ReplayOptions } from '../../src/dead-letter/replay.ts';
import { BrokerError, ConfigurationError } from '../../src/errors.ts';
import { InMemoryDeadLetterStore } from './support/in-memory-dead-letter-store.ts';
import { charge, knowing, received } from './support/messages.ts';

const scene = async (message: ReceivedMessage = received()) => {
  const store = new InMemoryDeadLetterStore();
  const sink = deadLetterSink(store, { listeners: [charge()], callOf: knowing(charge()) });
  await sink(message, 'dead', new Error('x'));
  const sent: OutgoingMessage[] = [];
  const fault: { send?: () => Promise<void> } = {};
  const sender = {
    send: async (out: OutgoingMessage) => {
      await fault.send?.();
      sent.push(out);
    },
    close: async () => {},
  };
  const replay = (more: Partial<ReplayOptions> = {}) => replayDeadLetter(1, { store, sender, by: 'ada', ...more });
  const states = () => store.only().history.map(({ action }) => action);
  return { fault, replay, sent, sink, states, store };
};

describe('replayDeadLetter', () => {
  it('sends the message as it was, with its identity, and records who did it', async () => {
    const events: unknown[] = [];
    const stop = onDeadLetterEvent('replayed', (event) => events.push(event));
    const { replay, sent, states, store } = await scene();
    expect(await replay({ reason: 'bank is back' })).toEqual({ kind: 'replayed', topic: 'orders' });
    stop();
    const { body, keys, properties, tag, topic } = received();
    const identity = messageIdentity(received());
    expect(sent).toEqual([{ topic, tag, keys, body, properties: { ...properties, [REPLAY_PROPERTY]: identity } }]);
    expect(store.only().letter).toMatchObject({
      replays: 1,
      standing: { state: 'REPLAYED', decidedBy: 'ada', decisionReason: 'bank is back' },
    });
    expect(states()).toEqual(['KEPT', 'REPLAY_CLAIMED', 'REPLAYED']);
    expect(events).toEqual([{ id: 1, topic: 'orders', group: 'payments', listener: 'charge', messageId: 'm1', by: 'ada', to: 'orders' }]);
  });

  it('leaves the broker’s own properties behind', async () => {
    const own = {
      TRANSACTION_CHECK_TIMES: '14',
      __transactionId__: 'x',
      UNIQ_KEY: 'y',
      RECONSUME_TIME: '3',
      CHECK_IMMUNITY_TIME_IN_SECONDS: '1',
    };
    const { replay, sent } = await scene(received({ properties: { ...received().properties, ...own } }));
    await replay();
    expect(Object.keys(sent[0]!.properties).sort()).toEqual([
      'checkback-correlation-id',
      'checkback-listener',
      'checkback-replay',
      'checkback-tx',
    ]);
  });

  it('is claimed before it is sent, so that of two at once one sends', async () => {
    const { fault, replay, sent, store } = await scene();
    fault.send = async () => expect(store.only().letter.standing.state).toBe('REPLAYING');
    const results = await Promise.all([replay(), replay()]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(['refused', 'replayed']);
    expect(sent).toHaveLength(1);
  });

  it('is not repeated once it was confirmed', async () => {
    const { replay, sent } = await scene();
    await replay();
    expect(await replay()).toEqual({ kind: 'refused', fact: 'it is REPLAYED' });
    expect(sent).toHaveLength(1);
  });

  it('opens again when the replayed message dies', async () => {
    const { replay, sent, sink, store } = await scene();
    await replay();
    const [again] = sent;
    await sink(received({ ...again!, messageId: 'm2' }), 'dead again', new Error('x'));
    expect(store.only().letter).toMatchObject({ deaths: 2, standing: { state: 'OPEN' } });
    expect(await replay()).toMatchObject({ kind: 'replayed' });
  });

  it('stays replayed when the first message comes and dies once more', async () => {
    const { replay, sink, store } = await scene();
    await replay();
    await sink(received(), 'its acknowledgement was lost', new Error('x'));
    expect(store.only().letter.standing.state).toBe('REPLAYED');
  });

  it.each([
    ['maybe', new BrokerError('not confirmed', { retryable: true })],
    ['no', new ConfigurationError('no such topic')],
  ])('that fails leaves it open; the broker acted: %s', async (acted, error) => {
    const { fault, replay, states, store } = await scene();
    fault.send = () => Promise.reject(error);
    expect(await replay()).toEqual({ kind: 'failed', acted, error });
    expect(store.only().letter.standing).toEqual({ state: 'OPEN' });
    expect(states()).toEqual(['KEPT', 'REPLAY_CLAIMED', 'REPLAY_FAILED']);
  });

  it('needs to be told the topic of what the broker gave up', async () => {
    const { replay, sent } = await scene(received({ topic: '%DLQ%payments' }));
    expect(await replay()).toMatchObject({ kind: 'refused', fact: expect.stringMatching(/name it with --to/) });
    expect(await replay({ topic: 'orders' })).toEqual({ kind: 'replayed', topic: 'orders' });
    expect(sent[0]).toMatchObject({ topic: 'orders' });
  });

  it('goes to no other topic than the message came from', async () => {
    const { replay, sent } = await scene();
    expect(await replay({ topic: 'others' })).toMatchObject({ kind: 'refused' });
    expect(sent).toEqual([]);
  });

  it('finds nothing under a number nobody has', async () => {
    const { store } = await scene();
    const sender = { send: async () => {}, close: async () => {} };
    expect(await replayDeadLetter(7, { store, sender, by: 'ada' })).toEqual({ kind: 'refused', fact: 'there is no dead letter 7' });
  });

  describe('with the call asked after', () => {
    const says =
      (verdict: Awaited<ReturnType<InquireCall>>): InquireCall =>
      async (message, group, topic) => {
        expect([message.messageId, group, topic]).toEqual(['m1', 'payments', 'orders']);
        expect(Buffer.from(message.body).toString()).toBe('{"orderId":"order-1"}');
        return verdict;
      };

    it('sends what never arrived', async () => {
      const { replay, sent } = await scene();
      expect(await replay({ inquire: says({ kind: 'replay' }) })).toMatchObject({ kind: 'replayed' });
      expect(sent).toHaveLength(1);
    });

    it('resolves the letter where the institution has the order', async () => {
      const { replay, sent, store } = await scene();
      const inquire = says({ kind: 'done', status: 'SUCCESS', asked: true, fact: 'the bank has it' });
      expect(await replay({ inquire })).toEqual({ kind: 'resolved', fact: 'the bank has it' });
      expect(store.only().letter.standing).toMatchObject({ state: 'RESOLVED', decidedBy: 'ada', decisionReason: 'the bank has it' });
      expect(sent).toEqual([]);
    });

    it('refuses what is on record as done, and leaves the letter to a person', async () => {
      const { replay, sent, store } = await scene();
      const inquire = says({ kind: 'done', status: 'FAIL', asked: false, fact: 'it is on record as FAIL' });
      expect(await replay({ inquire })).toEqual({ kind: 'refused', fact: 'it is on record as FAIL: resolve it instead, or --force' });
      expect(store.only().letter.standing.state).toBe('OPEN');
      expect(sent).toEqual([]);
    });

    it('refuses what nobody knows, unless forced, and records that it was', async () => {
      const { replay, sent, store } = await scene();
      const inquire = says({ kind: 'refuse', fact: 'nobody knows' });
      expect(await replay({ inquire })).toEqual({ kind: 'refused', fact: 'nobody knows; --force replays it nevertheless' });
      expect(sent).toEqual([]);
      expect(await replay({ inquire, force: true })).toMatchObject({ kind: 'replayed' });
      expect(store.only().history.find(({ action }) => action === 'REPLAY_CLAIMED')!.why).toBe('forced');
    });
  });
});

describe('A decision', () => {
  it.each([
    ['discarded', discardDeadLetter, 'DISCARDED'],
    ['resolved', resolveDeadLetter, 'RESOLVED'],
  ] as const)('is told as %s, once', async (name, decide, state) => {
    const events: unknown[] = [];
    const stop = onDeadLetterEvent(name, (event) => events.push(event));
    const { replay, store } = await scene();
    expect(await decide(store, 1, { by: 'ada', reason: 'paid by hand' })).toMatchObject({ kind: 'decided' });
    expect(await decide(store, 1, { by: 'bob', reason: 'me too' })).toEqual({ kind: 'refused', state });
    stop();
    expect(events).toEqual([
      { id: 1, topic: 'orders', group: 'payments', listener: 'charge', messageId: 'm1', by: 'ada', why: 'paid by hand' },
    ]);
    expect(await replay()).toEqual({ kind: 'refused', fact: `it is ${state}` });
  });
});
