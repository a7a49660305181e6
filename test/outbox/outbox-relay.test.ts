import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClosedError, ConfigurationError } from '../../src/errors.ts';
import { CommitBell } from '../../src/outbox/commit-signal.ts';
import { onOutboxEvent } from '../../src/outbox/diagnostics.ts';
import { type OutboxRelay, startOutboxRelay } from '../../src/outbox/outbox-relay.ts';
import type { OutboxRelayOptions } from '../../src/outbox/outbox-relay-options.ts';
import { ManualClock, settled } from '../worker/support/manual-clock.ts';
import { InMemoryOutboxStore } from './support/in-memory-outbox-store.ts';
import { outboxMessage } from './support/messages.ts';
import { ScriptedSender } from './support/scripted-sender.ts';

let clock: ManualClock;
let store: InMemoryOutboxStore;
let sender: ScriptedSender;
let bell: CommitBell;
const relays: OutboxRelay[] = [];

/** Jitter at its ceiling, unless a test says otherwise. */
const start = (options: Partial<OutboxRelayOptions> = {}): OutboxRelay => {
  const relay = startOutboxRelay({ store, sender, clock, commits: bell, random: () => 1, ...options });
  relays.push(relay);
  return relay;
};
const tagged = (tag: string, key = tag) => outboxMessage(key, { tag });

beforeEach(() => {
  clock = new ManualClock();
  store = new InMemoryOutboxStore(clock);
  sender = new ScriptedSender();
  bell = new CommitBell();
});
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.close();
  if (clock.timers > 0) throw new Error(`${clock.timers} timers are left`);
});

describe('OutboxRelay', () => {
  it('sends what is there when it starts, and marks it', async () => {
    store.write(tagged('a'), tagged('b'));
    const relay = start();
    await settled();
    expect(sender.sent).toEqual(['a', 'b']);
    expect(store.states()).toEqual(['SENT', 'SENT']);
    expect(relay.stats()).toMatchObject({ claimed: 2, sent: 2, failed: 0, parked: 0, leasesLost: 0 });
  });

  it('looks less and less often while there is nothing, up to its maximum, and at once after a COMMIT of this process', async () => {
    start({ minPollMs: 50, maxPollMs: 400 });
    await settled();
    const begin = clock.now();
    await clock.advance(50 + 100 + 200 + 400 + 400);
    expect(store.claims.map((at) => at - begin)).toEqual([0, 50, 150, 350, 750, 1_150]);
    store.write(tagged('a'));
    bell.ring();
    await settled();
    expect(sender.sent).toEqual(['a']);
    expect(clock.now() - begin).toBe(1_150);
  });

  it('misses no COMMIT that comes while it looks', async () => {
    const claim = store.claim.bind(store);
    let isFirst = true;
    store.claim = async (request) => {
      const claimed = await claim(request);
      if (isFirst) {
        isFirst = false;
        store.write(tagged('meanwhile'));
        bell.ring();
      }
      return claimed;
    };
    start();
    await settled();
    expect(sender.sent).toEqual(['meanwhile']);
  });

  it('sends one message of a lane at a time, in order, and lanes side by side', async () => {
    const gate = Promise.withResolvers<void>();
    sender.before = ({ tag }) => (tag === 'a1' ? gate.promise : Promise.resolve());
    store.write(tagged('a1', 'a'), tagged('a2', 'a'), tagged('b1', 'b'), tagged('b2', 'b'));
    start();
    await settled();
    expect(sender.sent).toEqual(['b1', 'b2']);
    gate.resolve();
    await settled();
    expect(sender.sent).toEqual(['b1', 'b2', 'a1', 'a2']);
    expect(sender.mostInFlight).toBe(2);
  });

  it('tries again later when the broker does not answer, slower each time whatever is committed, and drains when it is back', async () => {
    store.write(tagged('a1', 'a'), tagged('a2', 'a'), tagged('b'));
    sender.isDown = true;
    const relay = start({ retryMs: 100, maxRetryMs: 1_000 });
    await clock.advance(10_000);
    const looks = store.claims.length;
    expect(looks).toBeLessThan(20);
    for (let order = 0; order < 100; order += 1) bell.ring();
    await settled();
    expect(store.claims.length).toBe(looks);
    expect(sender.sent).toEqual([]);
    expect(await store.backlog()).toMatchObject({ waiting: 3 });
    sender.isDown = false;
    await clock.advance(2_000);
    expect(sender.sent.toSorted()).toEqual(['a1', 'a2', 'b']);
    expect(sender.sent.indexOf('a1')).toBeLessThan(sender.sent.indexOf('a2'));
    expect(relay.stats().failed).toBeGreaterThan(2);
  });

  it('parks what the broker refuses, holds its lane, and goes on with the others', async () => {
    const parked: unknown[] = [];
    const off = onOutboxEvent('parked', (event) => parked.push(event));
    sender.refused.add('bad');
    store.write(tagged('bad', 'a'), tagged('later', 'a'), tagged('b'));
    start();
    await clock.advance(5_000);
    off();
    expect(sender.sent).toEqual(['b']);
    expect(store.states()).toEqual(['PARKED', 'WAITING', 'SENT']);
    expect(await store.parked(10)).toMatchObject([{ reason: 'too large', keys: ['a'] }]);
    expect(parked).toMatchObject([{ id: 1, topic: 'orders' }]);
    sender.refused.clear();
    await store.requeue(1);
    await clock.advance(5_000);
    expect(sender.sent).toEqual(['b', 'bad', 'later']);
  });

  it('goes on with the lane of a parked message when it is told to pass', async () => {
    sender.refused.add('bad');
    store.write(tagged('bad', 'a'), tagged('later', 'a'));
    start({ parkedLane: 'pass' });
    await settled();
    expect(sender.sent).toEqual(['later']);
    expect(store.states()).toEqual(['PARKED', 'SENT']);
    // In the same batch.
    expect(store.rows[1]).toMatchObject({ fence: 'f1' });
  });

  it('waits for a topic that is missing; that is not the fault of its messages', async () => {
    let isMissing = true;
    sender.before = async () => {
      if (isMissing) throw new ConfigurationError('no such topic');
    };
    store.write(tagged('a'));
    start({ maxRetryMs: 500 });
    await clock.advance(3_000);
    expect(store.states()).toEqual(['WAITING']);
    isMissing = false;
    await clock.advance(1_000);
    expect(store.states()).toEqual(['SENT']);
  });

  it('sends nothing more when its lease nears its end, and leaves the rest to whoever claims it', async () => {
    sender.before = async ({ tag }) => {
      if (tag === 'a1') await clock.sleep(9_000);
    };
    store.write(tagged('a1', 'a'), tagged('a2', 'a'));
    start({ leaseMs: 10_000 });
    await settled();
    await clock.advance(9_000);
    expect(sender.sent).toEqual(['a1', 'a2']);
    expect(store.rows.map(({ attempts }) => attempts)).toEqual([1, 1]);
    // Let go of and claimed again, not sent under the old lease.
    expect(store.rows.map(({ fence }) => fence)).toEqual(['f1', 'f2']);
  });

  it('tells of a lease it lost: the message was sent twice', async () => {
    const lost: unknown[] = [];
    const off = onOutboxEvent('lease-lost', (event) => lost.push(event));
    let slow = true;
    sender.before = async () => {
      if (!slow) return;
      slow = false;
      await clock.sleep(15_000);
    };
    store.write(tagged('a'));
    const late = start({ leaseMs: 10_000, name: 'late' });
    await settled();
    await clock.advance(10_000);
    start({ leaseMs: 10_000, name: 'other' });
    await settled();
    expect(sender.sent).toEqual(['a']);
    await clock.advance(5_000);
    off();
    expect(sender.sent).toEqual(['a', 'a']);
    expect(lost).toEqual([{ relay: 'late', count: 1 }]);
    expect(late.stats()).toMatchObject({ sent: 1, leasesLost: 1 });
  });

  it('writes down what it sent when the database is back, and sends it once', async () => {
    store.fails.markSent = 3;
    store.write(tagged('a'));
    start();
    await clock.advance(5_000);
    expect(sender.sent).toEqual(['a']);
    expect(store.states()).toEqual(['SENT']);
  });

  it('goes on when the database is back', async () => {
    store.fails.claim = 4;
    store.write(tagged('a'));
    start({ retryMs: 100, maxRetryMs: 1_000 });
    await settled();
    expect(sender.sent).toEqual([]);
    await clock.advance(100 + 200 + 400 + 800);
    expect(sender.sent).toEqual(['a']);
  });

  it('deletes rows of sent messages when they were kept long enough, batch after batch', async () => {
    for (let index = 0; index < 25; index += 1) store.write(tagged(`t${index}`));
    const relay = start({ keepSentMs: 60_000, cleanupMs: 10_000, cleanupBatch: 10 });
    await clock.advance(59_000);
    expect(store.rows).toHaveLength(25);
    await clock.advance(31_000);
    expect(store.rows).toHaveLength(0);
    expect(relay.stats().cleaned).toBe(25);
  });

  it('closes after the send in progress, lets go of the rest, and claims no more', async () => {
    const gate = Promise.withResolvers<void>();
    sender.before = () => gate.promise;
    store.write(tagged('a1', 'a'), tagged('a2', 'a'));
    const relay = start();
    await settled();
    const closed = relay.close();
    gate.resolve();
    await closed;
    expect(sender.sent).toEqual(['a1']);
    expect(store.states()).toEqual(['SENT', 'WAITING']);
    expect(store.rows[1]).toMatchObject({ attempts: 0, fence: undefined, dueAt: clock.now() });
    bell.ring();
    await settled();
    expect(store.claims).toHaveLength(1);
  });

  it('closes in its time although a send never ends', async () => {
    sender.before = () => new Promise(() => {});
    store.write(tagged('a'));
    const relay = start({ drainMs: 1_000 });
    await settled();
    const closed = relay.close();
    await clock.advance(1_000);
    await closed;
    expect(store.states()).toEqual(['WAITING']);
  });

  it('lets go of a message whose sender was closed under it', async () => {
    sender.before = async () => {
      throw new ClosedError('closed');
    };
    store.write(tagged('a'));
    const relay = start();
    await Promise.resolve();
    await relay.close();
    expect(store.states()).toEqual(['WAITING']);
    expect(relay.stats()).toMatchObject({ parked: 0, failed: 0 });
  });

  it.each([
    [{ batch: 0 }, 'batch must be a whole number from 1 to 10000, it is 0'],
    [{ keepSentMs: 1_000 }, 'keepSentMs must be a whole number from 60000'],
    [{ minPollMs: 500, maxPollMs: 100 }, 'minPollMs must not be above maxPollMs (100), it is 500'],
  ])('refuses %j', (options, message) => {
    expect(() => startOutboxRelay({ store, sender, ...options })).toThrow(message);
  });

  it('refuses a policy nobody knows', () => {
    expect(() => startOutboxRelay({ store, sender, parkedLane: 'skip' as never })).toThrow(ConfigurationError);
  });
});
