import { setTimeout as sleep } from 'node:timers/promises';
import type { FullStack } from '../full-stack.ts';
import type { Loaded } from '../load/loaded.ts';
import { type LoadProcess, startNodeLoad } from '../load/load-process.ts';
import { uniqueName } from '../worker/broker.ts';
import { startJavaClient } from './java-client.ts';
import { type PublishRun, type PublishVariant, VARIANTS } from './variants.ts';

/** A variant in its process, on a topic of its own. */
export interface PublishChild extends LoadProcess<Loaded> {
  readonly topic: string;
  /** Orders it has taken so far, and questions the broker has asked it. */
  taken(): { readonly orders: number; readonly checks: number };
}

/** One of every variant. */
export async function startEveryVariant(stack: FullStack, connections: number, signal: AbortSignal): Promise<Record<string, PublishChild>> {
  const children: Record<string, PublishChild> = {};
  try {
    for (const variant of Object.keys(VARIANTS) as PublishVariant[])
      children[variant] = await startVariant(stack, variant, connections, signal);
    const topic = await newTopic(stack, 'half-java');
    children['halfJava'] = counting(await startJavaClient(stack.endpoints, topic, signal), topic);
    return children;
  } catch (error) {
    for (const child of Object.values(children)) await child.close(0);
    throw error;
  }
}

export async function startVariant(
  stack: FullStack,
  variant: PublishVariant,
  connections: number,
  signal: AbortSignal,
): Promise<PublishChild> {
  const topic = await newTopic(
    stack,
    variant.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  );
  const run: PublishRun = { variant, topic, connections, endpoints: stack.endpoints, databaseUrl: stack.databaseUrl };
  return counting(await startNodeLoad<Loaded>(new URL('./publish.child.ts', import.meta.url), run, signal), topic);
}

async function newTopic(stack: FullStack, name: string): Promise<string> {
  const topic = uniqueName(`bench-${name}`);
  await stack.admin.createTopic(topic, 'TRANSACTION', { queues: 8 });
  return topic;
}

function counting(child: LoadProcess<Loaded>, topic: string): PublishChild {
  let orders = 0;
  let checks = 0;
  return {
    ...child,
    topic,
    taken: () => ({ orders, checks }),
    tell: async (command) => {
      const loaded = await child.tell(command);
      orders += loaded.orders - loaded.failed;
      checks = loaded.checks;
      return loaded;
    },
  };
}

/**
 * Messages in the topics beyond and below the orders that were taken. What is not there yet is waited for: an END that got
 * lost is made good by a check-back, half a minute later and more.
 */
export async function countMessages(
  stack: Pick<FullStack, 'admin'>,
  children: readonly Pick<PublishChild, 'topic' | 'taken'>[],
  waitMs: number,
): Promise<{ readonly duplicates: number; readonly missing: number }> {
  const endsAt = performance.now() + waitMs;
  for (;;) {
    let duplicates = 0;
    let missing = 0;
    for (const { topic, taken } of children) {
      const beyond = (await stack.admin.maxOffset(topic)) - taken().orders;
      duplicates += Math.max(0, beyond);
      missing += Math.max(0, -beyond);
    }
    if (missing === 0 || performance.now() > endsAt) return { duplicates, missing };
    await sleep(250);
  }
}
