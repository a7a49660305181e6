import { afterEach, describe, expect, it } from 'vitest';
import { incoming, halfMessage } from './support/messages.ts';
import { pureBroker } from './support/pure-broker.ts';

const HOUR_MS = 3_600_000;

describe('A day on a clock that is turned by hand', () => {
  let world: ReturnType<typeof pureBroker> | undefined;
  afterEach(() => world?.close());

  /** Check-backs answered late or never, status checks every five minutes by delayed messages, deliveries that nobody acknowledges. */
  async function day(): Promise<readonly string[]> {
    const story: string[] = [];
    let asked = 0;
    world = pureBroker({
      settings: { transactionCheckMax: 100 },
      ask: ({ message, round }) => {
        asked += 1;
        story.push(`${clock.now()} asked about ${message.messageId}, round ${round}`);
        if (round === Number(message.properties['answerAt']))
          queueMicrotask(() =>
            broker.transactions.end(
              { topic: message.topic, messageId: message.messageId, resolution: 'COMMIT', isAnswer: true },
              message.messageId,
            ),
          );
        return true;
      },
    });
    const { broker, clock, receive } = world;
    broker.createTopic('orders', 'TRANSACTION');
    broker.createTopic('checks', 'DELAY');
    broker.createGroup({ name: 'g', retryMaxTimes: 2, isFifo: false });
    const ask = (): void => {
      const deliverAt = clock.now() + 300_000;
      broker.accept(incoming({ topic: 'checks', kind: 'DELAY', deliverAt, messageId: `check at ${deliverAt}` }));
    };
    ask();
    for (let hour = 0; hour < 24; hour += 1) {
      for (let order = 0; order < 10; order += 1)
        broker.accept(
          halfMessage({
            topic: 'orders',
            messageId: `${hour}.${order}`,
            bornAt: clock.now(),
            properties: { answerAt: String(order * 11) },
          }),
        );
      for (let step = 0; step < 12; step += 1) {
        await clock.advance(HOUR_MS / 12);
        for (const delivery of receive('checks', 'g')) {
          story.push(`${clock.now()} ${delivery.message.messageId}`);
          broker.subscription('checks', 'g').acknowledge(delivery.receiptId);
          ask();
        }
        for (const { message, attempt } of receive('orders', 'g'))
          story.push(`${clock.now()} order ${message.messageId}, attempt ${attempt}`);
      }
    }
    expect(asked).toBeGreaterThan(5_000);
    expect(story.filter((line) => line.includes('check at'))).toHaveLength(288);
    // Round 0 never comes: those are parked.
    expect(broker.transactions.parked.map(({ message }) => message.messageId)).toEqual(
      Array.from({ length: 24 }, (_, hour) => `${hour}.0`),
    );
    expect(broker.topics.find('%DLQ%g')?.log.size).toBeGreaterThan(100);
    world.close();
    return story;
  }

  it('passes in no time, and twice the same', async () => {
    const started = performance.now();
    const first = await day();
    const tookMs = performance.now() - started;
    console.info(`24 hours in ${Math.round(tookMs)} ms, ${first.length} events`);
    expect(await day()).toEqual(first);
  });
});
