import { beforeEach, describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/broker/message.ts';
import { type SendContext, sendTransactions } from '../../src/change-data-capture/send-transactions.ts';
import { ClosedError } from '../../src/errors.ts';
import { silentLogger } from '../../src/shared/logger.ts';
import { outboxMessage } from '../outbox/support/messages.ts';
import { ScriptedSender } from '../outbox/support/scripted-sender.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';

let clock: ManualClock;
let sender: ScriptedSender;
let parked: string[];
let stop: AbortController;
const never = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
  sender = new ScriptedSender();
  parked = [];
  stop = new AbortController();
});

const context = (changes: Partial<SendContext> = {}): SendContext => ({
  name: 'shop',
  sender,
  parking: { park: async ({ tag }, seq, reason) => void parked.push(`${tag} ${seq} ${reason}`) },
  refused: 'hold',
  limits: { concurrency: 4, retryMs: 100, maxRetryMs: 1_000 },
  clock,
  random: () => 1,
  logger: silentLogger,
  counts: { sent: 0, failed: 0, parked: 0 },
  ...changes,
});
const tagged = (tag: string, key = tag): OutgoingMessage => outboxMessage(key, { tag });

describe('sendTransactions', () => {
  it('sends messages of one key one after the other in their order, and others side by side', async () => {
    const gates = Promise.withResolvers<void>();
    sender.before = ({ tag }) => (tag === 'a1' ? gates.promise : Promise.resolve());
    const sending = sendTransactions(
      [[tagged('a1', 'a')], [tagged('b1', 'b'), tagged('a2', 'a')], [], [tagged('a3', 'a')]],
      context(),
      never,
    );
    await settled();
    expect(sender.sent).toEqual(['b1']);
    gates.resolve();
    expect(await sending).toBe(4);
    expect(sender.sent).toEqual(['b1', 'a1', 'a2', 'a3']);
  });

  it('sends no more at once than it may', async () => {
    const messages = Array.from({ length: 50 }, (_, index) => [tagged(`m${index}`)]);
    await sendTransactions(messages, context(), never);
    expect(sender.mostInFlight).toBe(4);
  });

  it('tries a failed send until it succeeds, less and less often, and lets nothing of its key overtake', async () => {
    sender.isDown = true;
    const counts = { sent: 0, failed: 0, parked: 0 };
    const sending = sendTransactions([[tagged('a1', 'a')], [tagged('a2', 'a')]], context({ counts }), never);
    await clock.advance(100 + 200);
    sender.isDown = false;
    await clock.advance(400);
    expect(await sending).toBe(2);
    expect(sender.sent).toEqual(['a1', 'a2']);
    expect(counts).toEqual({ sent: 2, failed: 3, parked: 0 });
  });

  it('holds a message that is refused for good, until it is taken', async () => {
    sender.refused.add('a1');
    const sending = sendTransactions([[tagged('a1')]], context(), never);
    await clock.advance(1_000);
    expect(sender.sent).toEqual([]);
    sender.refused.clear();
    await clock.advance(1_000);
    expect(await sending).toBe(1);
    expect(sender.sent).toEqual(['a1']);
    expect(parked).toEqual([]);
  });

  it('parks it if that was chosen, with its place in the transaction, and tries again when it cannot be parked', async () => {
    sender.refused.add('a2');
    let failures = 1;
    const parking: SendContext['parking'] = {
      park: async ({ tag }, seq, reason) => {
        failures -= 1;
        if (failures >= 0) throw new Error('the database is away');
        parked.push(`${tag} ${seq} ${reason}`);
      },
    };
    const sending = sendTransactions(
      [[tagged('a1', 'a'), tagged('a2', 'a')], [tagged('a3', 'a')]],
      context({ refused: 'park', parking }),
      never,
    );
    await clock.advance(100);
    expect(await sending).toBe(2);
    expect(parked).toEqual(['a2 1 too large']);
    expect(sender.sent).toEqual(['a1', 'a3']);
  });

  it('begins nothing more once it is stopped, and says which transactions are done without a gap', async () => {
    const gates = Promise.withResolvers<void>();
    sender.before = ({ tag }) => (tag === 'b' ? gates.promise : Promise.resolve());
    const sending = sendTransactions(
      [[tagged('a')], [tagged('b')], [tagged('c')], [tagged('b2', 'b')], [tagged('d')]],
      context(),
      stop.signal,
    );
    await settled();
    stop.abort();
    gates.resolve();
    expect(await sending).toBe(3);
    expect(sender.sent).not.toContain('b2');
  });

  it('does not wait for a broker that is down once it is stopped', async () => {
    sender.isDown = true;
    const sending = sendTransactions([[], [tagged('a')]], context(), stop.signal);
    await settled();
    stop.abort();
    expect(await sending).toBe(1);
    expect(clock.timers).toBe(0);
  });

  it('takes a sender that is closed for no refusal', async () => {
    sender.before = async () => {
      throw new ClosedError('closed');
    };
    const sending = sendTransactions([[tagged('a')]], context({ refused: 'park' }), stop.signal);
    await settled();
    stop.abort();
    expect(await sending).toBe(0);
    expect(parked).toEqual([]);
  });
});
