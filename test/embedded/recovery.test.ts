import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecords, encodeRecord, JOURNAL_MAGIC } from '../../src/embedded/journal-frame.ts';
import type { JournalRecord } from '../../src/embedded/journal-record.ts';
import { recover, snapshot } from '../../src/embedded/recovery.ts';
import { halfMessage, incoming } from './support/messages.ts';
import { pureBroker } from './support/pure-broker.ts';

const throughBytes = (records: readonly JournalRecord[]) =>
  decodeRecords(Buffer.concat([JOURNAL_MAGIC, ...records.map(encodeRecord)])).records;

/** What a broker would do from here on, as far as it can be seen. */
function state({ broker }: ReturnType<typeof pureBroker>) {
  const messages = broker.topics
    .all()
    .map(({ name, type, log }) => [name, type, [...log].map(([number, { messageId }]) => [number, messageId])]);
  const subscriptions = [...broker.subscriptions()].map(({ topic, group, subscription }) => [
    topic,
    group,
    subscription.position,
    subscription.backlog,
    [...subscription.unfinished()].map(({ number, attempt }) => [number, attempt]).sort(),
  ]);
  const { halves, parked } = broker.transactions;
  return {
    messages,
    subscriptions: subscriptions.sort(),
    halves: halves.all().map(({ offset, round, message }) => [offset, round, message.messageId]),
    parked: parked.map(({ message, rounds }) => [message.messageId, rounds]),
    delayed: broker.delayed.all().map(({ message }) => [message.messageId, message.deliverAt]),
    groups: broker.groups.all(),
  };
}

function recovered(records: readonly JournalRecord[], clock: ReturnType<typeof pureBroker>['clock']) {
  const again = pureBroker({ clock });
  recover(again.broker, throughBytes(records));
  again.close();
  return again;
}

const step = fc.oneof(
  fc.constant('half' as const),
  fc.constant('end' as const),
  fc.constant('send' as const),
  fc.constant('delay' as const),
  fc.constant('receive' as const),
  fc.constant('ack' as const),
  fc.integer({ min: 1, max: 40_000 }),
);

describe('Recovery', () => {
  it('leads from any journal, and from any snapshot, to the state it was written in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const world = pureBroker({ settings: { transactionCheckMax: 2, retainedMessages: 0 } });
        const { broker, clock, receive } = world;
        broker.createTopic('t', 'MIXED', 2);
        broker.createGroup({ name: 'g', retryMaxTimes: 1, isFifo: false });
        const halves: string[] = [];
        const held: number[] = [];
        for (const each of steps) {
          if (each === 'send') broker.accept(incoming({ bornAt: clock.now(), body: Buffer.from([0, 255, 7]) }));
          else if (each === 'delay') broker.accept(incoming({ kind: 'DELAY', deliverAt: clock.now() + 20_000 }));
          else if (each === 'half') {
            const half = halfMessage({ bornAt: clock.now(), properties: { ['__proto__x']: 'ü', body: 'not the body' } });
            halves.push(half.messageId);
            broker.accept(half);
          } else if (each === 'end') {
            const messageId = halves.shift();
            try {
              if (messageId !== undefined)
                broker.transactions.end({ topic: 't', messageId, resolution: 'COMMIT', isAnswer: false }, messageId);
            } catch {
              // Too old for the proxy's memory.
            }
          } else if (each === 'receive') held.push(...receive('t', 'g', 2).map(({ receiptId }) => receiptId));
          else if (each === 'ack') broker.subscription('t', 'g').acknowledge(held.shift() ?? -1);
          else await clock.advance(each);
        }
        broker.transactions.writeOps();
        world.close();
        const expected = state(world);
        // The log of a recovered broker may still have what nobody needs any more.
        const trimmed = (found: ReturnType<typeof state>) => ({ ...found, messages: [] });
        expect(trimmed(state(recovered(world.records, clock)))).toEqual(trimmed(expected));
        expect(state(recovered([...snapshot(broker)], clock))).toEqual(expected);
      }),
      { numRuns: 150, seed: 42 },
    );
  });

  it('asks again about a half whose END was not recorded, though its message is there', async () => {
    const world = pureBroker();
    world.broker.createTopic('t', 'TRANSACTION');
    const half = halfMessage({ bornAt: world.clock.now() });
    world.broker.accept(half);
    world.broker.transactions.end({ topic: 't', messageId: half.messageId, resolution: 'COMMIT', isAnswer: false }, half.messageId);
    world.close();
    const again = recovered(world.records, world.clock);
    expect(again.broker.topics.require('t').log.size).toBe(1);
    expect(again.broker.transactions.halves.size).toBe(1);
  });

  it('reads up to a torn record, wherever it is torn, and no further', () => {
    const records: JournalRecord[] = [
      { kind: 'group', name: 'g', retryMaxTimes: 1, isFifo: false },
      { kind: 'delay', id: 0, message: incoming({ body: Buffer.alloc(100, 1) }) },
    ];
    const frames = records.map(encodeRecord);
    const whole = Buffer.concat([JOURNAL_MAGIC, ...frames]);
    const firstEnd = JOURNAL_MAGIC.length + frames[0]!.length;
    for (let length = JOURNAL_MAGIC.length; length <= whole.length; length += 1) {
      const { records: read, end } = decodeRecords(whole.subarray(0, length));
      const complete = length === whole.length ? 2 : length >= firstEnd ? 1 : 0;
      expect(read).toHaveLength(complete);
      expect(end).toBe([JOURNAL_MAGIC.length, firstEnd, whole.length][complete]);
    }
    for (let at = firstEnd; at < whole.length; at += 1) {
      const flipped = Buffer.from(whole);
      flipped[at]! ^= 1;
      expect(decodeRecords(flipped).records).toHaveLength(1);
    }
  });
});
